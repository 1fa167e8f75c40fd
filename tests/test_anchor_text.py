"""Text that the base writes as anchor: how much, in which language, and what it begins with."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from anchor_world import CHINESE, ENGLISH, LENGTH, World
from running import invoke, small_run
from test_chat_template import tokenizer

from styledial.build.anchor import AnchorPlan
from styledial.config.resolve import resolve
from styledial.data.everyday import WORDS, everyday_openings, language_of
from styledial.data.pack import pack
from styledial.data.passage import Passage
from styledial.data.tokens import text_ids
from styledial.run import prepare
from styledial.training.anchor import Shares, in_turns


@pytest.mark.parametrize("steps", [1, 3, 40, 1000])
def test_a_tenth_of_the_training_tokens_and_no_more(
    steps: int, tiny_base: Path, home: Path
) -> None:
    rows = World(tiny_base).plan(steps).text_rows
    per_update = 2  # a fifth of the update's tokens
    assert rows >= per_update  # an update has its anchor rows even in the shortest run
    assert rows == per_update or rows * LENGTH <= 0.1 * steps * 8 * LENGTH
    assert rows * LENGTH <= 32_768
    assert rows > 0.05 * min(steps * 8, 5120) or rows == per_update


def test_more_can_be_asked_for(tiny_base: Path, home: Path) -> None:
    world = World(tiny_base, CHINESE, "anchor_tokens=4100")
    assert world.plan(40).text_rows == 64
    assert world.plan(20).text_rows == 40  # what a run of 20 updates uses, two rows each


def test_rows_begin_with_everyday_words(tiny_base: Path, home: Path) -> None:
    world = World(tiny_base, "龙" * 10 + CHINESE)
    assert world.plan().openings == "zh"
    first = set(world.anchor().rows.tokens[:, 0].tolist())
    assert first <= {text_ids(world.tokenizer, [word])[0] for word in WORDS["zh"]}
    assert len(first) > 8
    bytes_alone = tokenizer(None)  # which spell a Chinese character out in three
    assert everyday_openings(bytes_alone, "zh", 4, 0) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "en"),
        (CHINESE, "zh"),
        ("Es war spät, als sie in das Haus kamen, und sie hatte ihm kein Wort gesagt. ", None),
        ("Il était tard quand ils arrivèrent, et elle ne lui avait pas dit un mot. On a vu. ", None),
        ("Было поздно, когда они пришли домой, и она не сказала ему ни слова. ", None),
    ],
)  # fmt: skip
def test_the_language_of_the_book(text: str, language: str | None) -> None:
    made = tokenizer(None)
    rows = pack([Passage(text * 60, "book", ends_book=True)], made, LENGTH)
    assert language_of(rows, made) == language


def test_a_book_in_another_language_gives_its_own_openings(tiny_base: Path, home: Path) -> None:
    world = World(tiny_base, "Es war spät, als sie in das Haus kamen, und er ging. ")
    assert world.plan().openings == "book"
    assert set(world.anchor().rows.tokens[:, 0]) <= set(world.texts.style.tokens.flatten())


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
def test_any_number_of_processes_writes_the_same(processes: int) -> None:
    """13 texts, four at a time: threads stand for the processes, which meet in `gather`."""
    written: list[Any] = []
    met = threading.Barrier(processes)

    def gather(own: list[Any]) -> list[Any]:
        written.extend(own)
        met.wait()
        return written

    def write(start: int, count: int) -> list[int]:
        return list(range(start, start + count))

    with ThreadPoolExecutor(processes) as pool:
        ranks = [Shares(rank, processes, gather) for rank in range(processes)]
        found = list(pool.map(lambda shares: in_turns(13, 4, write, shares), ranks))
    assert found == [[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12]]] * processes


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["anchor=bundled", "anchor_tokens=100"], "data.anchor_tokens is without effect"),
        (["kl_mode=off", "anchor_chat=0"], "data.anchor_chat is without effect"),
    ],
)
def test_settings_without_effect_are_named(settings: list[str], said: str) -> None:
    from styledial.config.precedence import without_effect

    assert any(line.startswith(said) for line in without_effect(resolve(assignments=settings)))
    assert not any("anchor" in line for line in without_effect(resolve()))


@pytest.mark.slow  # a run of an older version
def test_a_run_from_before_plans_were_recorded_goes_on(
    tiny_base: Path, novels: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checkpoint has a fingerprint of text that began with the book's words, a row for each
    that the run would use."""
    from styledial.build import anchor

    settings = [*small_run(tiny_base, novels, tmp_path / "out"), "anchor=self"]

    def early(
        config: Any, policy: Any, texts: Any, order: Any, made: Any, steps: int, _: Any
    ) -> Any:
        return anchor._early_plan(config, order, steps)

    with monkeypatch.context() as patch:
        patch.setattr(prepare, "plan_anchor", early)
        patch.setattr(AnchorPlan, "record", lambda self: {})
        assert invoke("train", *settings, "max_steps=2").returncode == 0
    done = invoke("train", *settings, "max_steps=3", "--resume")
    assert done.returncode == 0, done.stderr
