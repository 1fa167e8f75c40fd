"""Text that the base writes as anchor: how much, what it begins with, and that it is kept."""

from __future__ import annotations

import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from running import invoke, small_run
from test_chat_template import QWEN3, TURNS, tokenizer

from styledial.build.anchor import AnchorPlan, build_anchor, plan_anchor
from styledial.build.model import build_policy
from styledial.build.texts import Texts
from styledial.config import Config
from styledial.config.resolve import resolve
from styledial.data.chat import Request
from styledial.data.everyday import WORDS, everyday_openings, language_of
from styledial.data.pack import PackedRows, pack
from styledial.data.passage import Passage
from styledial.data.tokens import text_ids
from styledial.distributed.ranks import Place
from styledial.models.load import load_tokenizer
from styledial.models.policy import Policy
from styledial.run import prepare
from styledial.training import anchor_cache
from styledial.training.anchor import Shares, in_turns
from styledial.training.components import Anchor
from styledial.training.row_order import RowOrder

ALONE = Place(0, 1, 0, 1)
ENGLISH = "It was late when they came to the house, and she had not said a word to him. "
CHINESE = "他推开门，看见院子里站着一个人，手里提着灯。"
LENGTH = 64


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the user's with nothing in it."""
    monkeypatch.setenv("STYLEDIAL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def instruct(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base with a template, whose end token ends a turn: one that answers."""
    folder = Path(shutil.copytree(tiny_base, tmp_path_factory.mktemp("instruct") / "base"))
    end = load_tokenizer(str(folder)).eos_token
    template = f"{{% for m in messages %}}{{{{ m.content }}}}{end}{{% endfor %}}"
    template = "{{ '（问）' }}" + template + "{% if add_generation_prompt %}（答）{% endif %}"
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


class World:
    """A run's parts, as far as the anchor needs them."""

    def __init__(self, base: Path, book: str = CHINESE, *settings: str) -> None:
        self.config: Config = resolve(
            assignments=[
                f"model_name_or_path={base}",
                f"max_length={LENGTH}",
                "gradient_checkpointing=false",
                *settings,
            ]
        )
        self.tokenizer = load_tokenizer(str(base))
        self.policy: Policy = build_policy(self.config)
        rows = pack([Passage(book * 400, "book", ends_book=True)], self.tokenizer, LENGTH)
        self.texts = Texts(rows, rows, rows, ())
        self.order = RowOrder(len(rows), 8, 1, 1, 0)

    def plan(self, steps: int = 40) -> AnchorPlan:
        plan = plan_anchor(
            self.config, self.policy, self.texts, self.order, self.tokenizer, steps, None
        )
        assert plan
        return plan

    def anchor(self, plan: AnchorPlan | None = None) -> Anchor:
        anchor = build_anchor(
            self.config, self.policy, self.texts, self.order, self.tokenizer,
            plan or self.plan(), ALONE,
        )  # fmt: skip
        assert anchor
        return anchor

    def forbid_writing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(*args: Any, **more: Any) -> None:
            raise AssertionError("the base was asked to write")

        monkeypatch.setattr(type(self.policy.causal_lm), "generate", refused)


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


def test_a_run_on_another_book_starts_at_once(
    tiny_base: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = World(tiny_base)
    rows = first.anchor().rows
    (kept,) = (home / "anchor").iterdir()
    other = World(tiny_base, CHINESE[::-1])
    other.forbid_writing(monkeypatch)
    assert np.array_equal(other.anchor().rows.tokens, rows.tokens)
    assert list((home / "anchor").iterdir()) == [kept]


@pytest.mark.parametrize(
    "other", ["seed=7", "max_length=32", "anchor_tokens=1280", "dtype=bfloat16"]
)
def test_what_makes_another_text(
    other: str, tiny_base: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    World(tiny_base).anchor()
    changed = World(tiny_base, CHINESE, other)
    changed.forbid_writing(monkeypatch)
    with pytest.raises(AssertionError, match="asked to write"):
        changed.anchor()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(_cut, marks=pytest.mark.slow),
        _flip,
        pytest.param(lambda path: path.write_bytes(b""), marks=pytest.mark.slow),
    ],
)
def test_a_damaged_file_is_written_anew(
    damage: Any, tiny_base: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tiny_base)
    rows = world.anchor().rows
    (kept,) = (home / "anchor").iterdir()
    damage(kept)
    assert np.array_equal(world.anchor().rows.tokens, rows.tokens)
    world.forbid_writing(monkeypatch)
    assert np.array_equal(world.anchor().rows.tokens, rows.tokens)
    assert list((home / "anchor").iterdir()) == [kept]


def test_a_home_that_takes_nothing_keeps_nobody_from_training(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file where the folder would be", encoding="utf-8")
    monkeypatch.setenv("STYLEDIAL_HOME", str(tmp_path / "home"))
    assert len(World(tiny_base).anchor().rows) == 32


def test_a_user_without_a_home_trains_without_keeping(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docker run -u 1234: no entry for the user, and nothing set."""
    for name in ("STYLEDIAL_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert len(World(tiny_base).anchor().rows) == 32


def _rows_of_chat_tokens(base: Any) -> None:
    """Of an embedding that is padded: neither its first rows nor its middle or last ones."""
    weight = base.get_input_embeddings().weight
    row = len(weight) * 3 // 4
    weight[row : row + 2] += 1


def _all_but_the_first_rows(base: Any) -> None:
    for weight in base.parameters():
        if weight.ndim == 2:
            weight[2:] *= 3


def _another_end(base: Any) -> None:
    base.generation_config.eos_token_id = 7


@pytest.mark.parametrize("change", [_rows_of_chat_tokens, _all_but_the_first_rows, _another_end])
def test_a_sibling_of_the_base_is_another_base(change: Any, tiny_base: Path) -> None:
    first, same, other = (World(tiny_base).policy for _ in range(3))
    with torch.no_grad():
        change(other.causal_lm)
    known = anchor_cache.describe(first, rows=1)
    assert anchor_cache.describe(same, rows=1) == known
    assert anchor_cache.describe(other, rows=1) != known


def test_another_way_of_ending_makes_another_chat(instruct: Path, home: Path) -> None:
    """The control tokens of the tokenizer end a question."""
    world = World(instruct)
    plan = AnchorPlan(0, 2, "zh")
    world.anchor(plan)
    world.anchor(plan)
    assert len(list((home / "anchor").iterdir())) == 1
    world.tokenizer.add_special_tokens({"additional_special_tokens": ["。"]})
    world.anchor(plan)
    assert len(list((home / "anchor").iterdir())) == 2


def test_what_was_longest_unused_goes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only files that were kept here: what else lies there, under whatever name, stays."""
    rows = PackedRows(np.arange(1000, dtype=np.int32)[None], [[(0, 1000)]])
    anchor_cache.keep({"rows": 0}, rows)
    (first,) = (home / "anchor").iterdir()
    monkeypatch.setattr(anchor_cache, "_MOST_BYTES", 3 * first.stat().st_size)
    for name in ("f" * 24 + ".safetensors", "notes.txt"):
        (home / "anchor" / name).write_text("somebody's " * 1000)
        os.utime(home / "anchor" / name, (1, 1))
    for number in range(1, 6):
        for path in (home / "anchor").iterdir():  # a minute passes
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 60))
        assert anchor_cache.read({"rows": 0})  # used all the while
        anchor_cache.keep({"rows": number}, rows)
    assert [number for number in range(6) if anchor_cache.read({"rows": number})] == [0, 4, 5]
    assert len(list((home / "anchor").iterdir())) == 5


def test_another_description_under_the_same_name_is_not_used(home: Path) -> None:
    rows = PackedRows(np.arange(10, dtype=np.int32)[None], [[(0, 10)]])
    anchor_cache.keep({"rows": 1}, rows)
    found = anchor_cache.read({"rows": 1})
    assert found
    assert np.array_equal(found.tokens, rows.tokens)
    assert found.pieces == rows.pieces
    (kept,) = (home / "anchor").iterdir()
    anchor_cache.keep({"rows": 2}, rows)
    (other,) = set((home / "anchor").iterdir()) - {kept}
    other.replace(kept)
    assert anchor_cache.read({"rows": 1}) is None


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


def test_an_instruct_base_writes_a_third_in_its_chat_format(instruct: Path, home: Path) -> None:
    world = World(instruct)
    plan = world.plan()
    assert (plan.text_rows, plan.chat_rows) == (21, 11)
    anchor = world.anchor(plan)
    assert len(anchor.rows) == 32
    assert 0 < anchor.chat_rows <= 11
    request = Request.bare(world.tokenizer)
    assert request
    before, behind = [~t for t in request.before], [~t for t in request.behind]
    end = world.tokenizer.eos_token_id
    conversations = 0
    for row in range(32 - anchor.chat_rows, 32):
        for start, length in anchor.rows.pieces[row]:
            ids = anchor.rows.tokens[row, start : start + length].tolist()
            assert ids[: len(before)] == before
            places = [i for i in range(len(ids)) if ids[i : i + len(behind)] == behind]
            assert len(places) == 1
            question = ids[len(before) : places[0]]
            answer = ids[places[0] + len(behind) :]
            assert question
            assert answer
            assert min(question) >= 0
            assert min(answer) >= 0
            assert end not in question
            assert end not in answer[:-1]  # a turn that has ended is over
            assert answer[-1] == end or length == LENGTH + 1
            conversations += 1
    assert conversations == 11


def test_running_text_takes_the_rows_that_short_conversations_leave(
    instruct: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With terse answers an update had fewer anchor rows than anchor_ratio asks for."""
    from styledial.training import anchor_chat

    short = [[5, 6, 7, 8]] * 16  # of 64 tokens a row
    monkeypatch.setattr(anchor_chat, "_conversations", lambda *args: short[: args[3]])
    world = World(instruct, CHINESE, "anchor_chat=1", "anchor_ratio=0.5")
    plan = world.plan(1)
    assert (plan.text_rows, plan.chat_rows) == (0, 8)
    anchor = world.anchor(plan)
    assert (len(anchor.rows), anchor.chat_rows) == (8, 1)
    assert anchor.order.per_update == 8
    earlier = AnchorPlan(**{k: v for k, v in plan.record().items() if k != "filled"})
    assert len(world.anchor(earlier).rows) == 1  # a run goes on with what it began with


def test_a_base_that_does_not_answer_writes_none(tiny_base: Path, instruct: Path) -> None:
    assert World(tiny_base).plan().chat_rows == 0
    for off in ("chat=off", "anchor_chat=0"):
        assert World(instruct, CHINESE, off).plan().chat_rows == 0
    assert World(instruct, CHINESE, "anchor_chat=1").plan().text_rows == 0


def test_the_bare_start_of_a_users_turn() -> None:
    made = tokenizer(QWEN3)
    request = Request.bare(made)
    assert request
    assert made.decode(list(request.before)) == "<|im_start|>user\n"
    thought = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert made.decode(list(request.behind)) == thought
    # Nothing but text ends the question, or the template wants more turns, or there is none.
    assert Request.bare(tokenizer("{% for m in messages %}{{ m.content }}\nA:{% endfor %}")) is None
    assert Request.bare(tokenizer("{{ raise_exception('two turns') }}" + TURNS)) is None
    assert Request.bare(tokenizer(None)) is None
    dated = Request.bare(tokenizer("{{ strftime_now('%d %b %Y') }}" + QWEN3))
    assert dated
    assert made.decode(list(dated.before)).startswith("01 Jan 2025")


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

    def early(config: Any, policy: Any, texts: Any, order: Any, made: Any, steps: int, _: Any) -> Any:  # fmt: skip
        return anchor._early_plan(config, order, steps)

    with monkeypatch.context() as patch:
        patch.setattr(prepare, "plan_anchor", early)
        patch.setattr(AnchorPlan, "record", lambda self: {})
        assert invoke("train", *settings, "max_steps=2").returncode == 0
    done = invoke("train", *settings, "max_steps=3", "--resume")
    assert done.returncode == 0, done.stderr
