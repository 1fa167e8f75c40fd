"""Anchor text of a base that answers: a part of it in its chat format."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from anchor_world import CHINESE, LENGTH, World
from test_chat_template import QWEN3, TURNS, tokenizer

from styledial.build.anchor import AnchorPlan
from styledial.data.chat import Request
from styledial.models.load import load_tokenizer


@pytest.fixture(scope="module")
def instruct(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base with a template, whose end token ends a turn: one that answers."""
    folder = Path(shutil.copytree(tiny_base, tmp_path_factory.mktemp("instruct") / "base"))
    end = load_tokenizer(str(folder)).eos_token
    template = f"{{% for m in messages %}}{{{{ m.content }}}}{end}{{% endfor %}}"
    template = "{{ '（问）' }}" + template + "{% if add_generation_prompt %}（答）{% endif %}"
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


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
