"""Instruct bases: asked by their chat template, without thinking, until the end of a turn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from running import invoke, small_run
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import styledial
from styledial.data import chat
from styledial.data.dialogues import render_dialogue
from styledial.data.passage import Dialogue
from styledial.errors import ModelError, UserError
from styledial.models.generation import answers_by_template, end_tokens
from styledial.models.load import load_base, load_tokenizer

CONTROLS = ["<end>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<|start|>", "<|channel|>",
            "<|message|>", "<|return|>", "<|user|>"]  # fmt: skip
OPENED = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
TURNS = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
QWEN3 = TURNS + (
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% endif %}{% endif %}"
)
R1 = TURNS + "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
OSS = (
    "{% for m in messages %}<|start|>{{ m.role }}{% if m.role == 'assistant' %}<|channel|>final"
    "{% endif %}<|message|>{{ m.content }}{% if loop.last %}<|return|>{% else %}<end>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
GLM = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tokenizer(template: str | None) -> PreTrainedTokenizerFast:
    """Every byte a token, and the control tokens that templates write."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>")
    made.add_special_tokens({"additional_special_tokens": CONTROLS[1:]})
    made.chat_template = template
    return made


@pytest.mark.parametrize(
    ("template", "opens"),
    [
        (TURNS + OPENED, "<|im_start|>assistant\n"),
        (QWEN3, "<|im_start|>assistant\n<think>\n\n</think>\n\n"),
        (R1, "<|im_start|>assistant\n<think>\n\n</think>\n\n"),
        (OSS, "<|start|>assistant<|channel|>final<|message|>"),
    ],
)
def test_an_answer_begins_behind_the_thought(template: str, opens: str) -> None:
    asked = [{"role": "user", "content": "Why?"}]
    assert chat.rendered(tokenizer(template), asked, answer_next=True).endswith(f"{opens}")


@pytest.mark.parametrize(
    ("template", "ends"),
    [
        (TURNS + OPENED, {"<|im_end|>"}),
        (QWEN3, {"<|im_end|>"}),
        (OSS, {"<|return|>", "<end>"}),
        (GLM, {"<|user|>"}),
        ("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", set()),
        (None, set()),
    ],
)
def test_what_ends_a_turn(template: str | None, ends: set[str]) -> None:
    made = tokenizer(template)
    assert set(made.convert_ids_to_tokens(sorted(chat.turn_ends(made)))) == ends


def test_a_base_with_a_template_was_not_taught_to_answer() -> None:
    """Qwen2.5's base brings the template and ends its texts by another token."""
    made = tokenizer(TURNS + OPENED)
    of_turn, of_text = made.convert_tokens_to_ids(["<|im_end|>", "<end>"])
    assert not chat.was_taught_to_answer(made, [of_text])
    assert chat.was_taught_to_answer(made, [of_text, of_turn])
    assert not chat.was_taught_to_answer(tokenizer(None), [of_turn])


@pytest.mark.parametrize(
    "template",
    ["{{ raise_exception('tools only') }}", "{% for i in range(10 ** 9) %}x{% endfor %}"],
)
def test_a_template_that_refuses_a_message_answers_none(
    template: str, tiny_base: Path, tmp_path: Path
) -> None:
    """Samples of such a base ended in an internal error."""
    base = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    (base / "chat_template.jinja").write_text(template, encoding="utf-8")
    assert not styledial.load(base).is_chat
    with pytest.raises(ModelError, match=r"write model\.chat: off"):
        answers_by_template(load_base(str(base)), load_tokenizer(str(base)), "on")
    asked = styledial.load(base, answers=True)
    with pytest.raises(UserError, match="its chat template refuses these messages"):
        asked.ids_of([{"role": "user", "content": "x"}])


def test_control_tokens_are_the_templates_alone() -> None:
    made = tokenizer(QWEN3)
    ids = chat.prompt_ids(made, "<|im_end|><think>", answers=True)
    written = [token for token in made.convert_ids_to_tokens(ids) if token in CONTROLS]
    wanted = ["<|im_start|>", "<|im_end|>", "<|im_start|>", "<think>", "</think>"]
    assert written == wanted
    assert "<|im_end|><think><|im_end|>" in made.decode(ids)


def test_a_request_stands_around_a_text() -> None:
    made = tokenizer(QWEN3)
    request = chat.Request.of(made, "Go on: ")
    whole = [*request.before, *made("door", add_special_tokens=False)["input_ids"], *request.behind]
    assert whole == chat.prompt_ids(made, "Go on: door", answers=True)


def test_a_dialogue_is_learnt_as_it_is_asked() -> None:
    made = tokenizer(QWEN3)
    talk = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    made.chat_template = QWEN3.replace(
        "{{ m.content }}",
        "{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ m.content }}",
    )
    ids, learnt = render_dialogue(Dialogue(talk, "d"), made)
    answer = [token for token, mask in zip(ids, learnt, strict=True) if mask]
    assert made.decode(answer) == "A<|im_end|>"
    asked = [token for token, mask in zip(ids, learnt, strict=True) if not mask]
    assert asked[: len(ids) - len(answer) - 1] == chat.prompt_ids(made, "Q", answers=True)


@pytest.fixture(scope="module")
def instruct(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base as one that answers: its end token ends a turn."""
    folder = Path(shutil.copytree(tiny_base, tmp_path_factory.mktemp("instruct") / "base"))
    end = load_tokenizer(str(folder)).eos_token
    template = (
        f"{{% for m in messages %}}[{{{{ m.role }}}}]{{{{ m.content }}}}{end}{{% endfor %}}"
        "{% if add_generation_prompt %}[answer]{% endif %}"
    )
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(instruct: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "style"
    done = invoke("train", *small_run(instruct, novels, folder), "max_steps=2")
    assert done.returncode == 0, done.stderr
    assert "The base answers messages" in done.stderr
    return folder


def test_a_run_on_an_instruct_base_samples_answers(run: Path) -> None:
    assert json.loads((run / "summary.json").read_text(encoding="utf-8"))["answers"] is True
    samples = json.loads((run / "samples.json").read_text(encoding="utf-8"))["samples"]
    assert [each["prompt"][:8] for each in samples] == ["请续写这个故事："] * 3


def test_generate_answers_and_continues_where_asked(run: Path, instruct: Path) -> None:
    greedy = ["--max-new-tokens", 8, "--temperature", 0]
    model = styledial.load(run)
    asked = model.asked("他推开门")
    shown = model.tokenizer.decode(model.ids_of(asked))
    end = model.tokenizer.eos_token
    assert shown == f"[user]他推开门{end}[answer]"
    answer = model.generate(asked, max_new_tokens=8, temperature=0.0)
    done = invoke("generate", run, "--prompt", "他推开门", *greedy)
    assert done.stderr.splitlines()[-1] == answer.split("\n")[-1]
    assert "他推开门" + model.generate("他推开门", max_new_tokens=8, temperature=0.0) in (
        invoke("generate", run, "--prompt", "他推开门", "--plain", *greedy).stderr
    )
    assert not styledial.load(run, answers=False).is_chat
    assert end_tokens(model._model.causal_lm, model.tokenizer) == [model.tokenizer.eos_token_id]


@pytest.mark.slow  # samples: test_a_run_on_an_instruct_base_samples_answers
def test_passages_are_answers_too(run: Path) -> None:
    size = ["--passages", 10, "--max-new-tokens", 16]
    for more, answers in ((), True), (("--plain",), False):
        done = invoke("evaluate", run, *size, *more)
        assert done.returncode == 0, done.stderr
        settings = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))["settings"]
        assert settings["answers"] is answers
        assert (settings["prompt_tokens"] > 16) is answers
