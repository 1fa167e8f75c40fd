"""`styledial.load` and `train`: text at any strength, whole, in pieces and side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from running import SHORT_END, invoke, small_run

import styledial
from styledial.errors import ConfigError, UserError
from styledial.inference.side_by_side import stream_each

SHORT = {"max_new_tokens": 12}
PROMPT = "他推开门"


@pytest.fixture(scope="module")
def model(dialled_run: Path) -> styledial.inference.model.StyleModel:
    return styledial.load(dialled_run)


def test_strength_moves_and_comes_back(dialled_run: Path, tiny_base: Path, model) -> None:
    as_trained = model.generate(PROMPT, **SHORT)
    plain = styledial.load(tiny_base)
    model.strength = 0
    assert model.generate(PROMPT, **SHORT) == plain.generate(PROMPT, **SHORT)
    model.strength = 0.03
    written = model.generate(PROMPT, temperature=0.0, max_new_tokens=40)
    assert written == styledial.load(dialled_run, 0.03).generate(
        PROMPT, temperature=0.0, max_new_tokens=40
    )
    assert model.strength == 0.03
    model._scale = 1.0
    assert model.generate(PROMPT, **SHORT) == as_trained


def test_a_stream_is_the_text_in_pieces(model) -> None:
    whole = model.generate(PROMPT, max_new_tokens=40)
    pieces = list(model.stream(PROMPT, max_new_tokens=40))
    assert "".join(pieces) == whole
    assert len(pieces) > 10
    stream = model.stream(PROMPT, max_new_tokens=10_000)
    assert next(stream)
    stream.close()  # returns at once: the writing stops with it
    assert model.generate(PROMPT, max_new_tokens=40) == whole


def test_what_a_strength_cannot_be(model, tiny_base: Path) -> None:
    with pytest.raises(UserError, match="reaches strengths above 0 and up to"):
        model.strength = 9
    with pytest.raises(UserError, match="is one whole model"):
        styledial.load(tiny_base, 0.1)
    with pytest.raises(UserError, match="no chat template"):
        model.generate([{"role": "user", "content": "?"}])
    with pytest.raises(UserError, match="tokens; the model reads"):
        model.generate("门" * 3_000_000)


def test_texts_written_side_by_side_are_those_written_alone(model, tiny_base: Path) -> None:
    how = {"max_new_tokens": 30, "seed": 5}
    strengths = [0, 0.03, 0.1]
    texts = ["", "", ""]
    order = []
    state = torch.get_rng_state()
    for number, piece in stream_each(model, PROMPT, strengths, **how):
        texts[number] += piece
        order.append(number)
    assert order[:6] == [0, 1, 2, 0, 1, 2]
    assert torch.equal(torch.get_rng_state(), state)
    alone = []
    for each in strengths:
        model.strength = each
        alone.append(model.generate(PROMPT, **how))
    assert texts == alone
    assert len(set(texts)) == 3
    with pytest.raises(UserError, match="reaches strengths above 0"):
        next(stream_each(model, PROMPT, [0, 9]))
    stream = stream_each(model, PROMPT, [0, 0.03], max_new_tokens=10_000)
    next(stream)
    stream.close()
    plain = styledial.load(tiny_base)
    [whole] = ["".join(piece for _, piece in stream_each(plain, PROMPT, [None], **how))]
    assert whole == plain.generate(PROMPT, **how) == texts[0]


def test_exports_and_merges_load_too(dialled_run: Path, tmp_path: Path) -> None:
    peft = invoke(
        "export", dialled_run, "--to", "peft", "--strength", "0.03", "-o", tmp_path / "peft"
    )
    assert peft.returncode == 0, peft.stderr
    merged = [
        "export",
        dialled_run,
        "--to",
        "merged",
        "--strength",
        "0.03",
        "-o",
        tmp_path / "merged",
    ]
    assert invoke(*merged).returncode == 0
    greedy = {"temperature": 0.0, "max_new_tokens": 20}
    wanted = styledial.load(dialled_run, 0.03).generate(PROMPT, **greedy)
    adapter = styledial.load(tmp_path / "peft" / "kl-0.03")
    assert adapter.strength == pytest.approx(0.03)
    assert adapter.generate(PROMPT, **greedy) == wanted
    assert styledial.load(tmp_path / "merged" / "model").generate(PROMPT, **greedy) == wanted


def test_training_from_python(
    tiny_base: Path, novels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in SHORT_END:
        monkeypatch.setattr(*each)
    flat = dict(each.split("=", 1) for each in small_run(tiny_base, novels, tmp_path / "run"))
    flat["training.max_steps"] = 2
    nested: dict[str, dict] = {}
    for name, value in flat.items():
        section, key = name.split(".")
        nested.setdefault(section, {})[key] = value
    summary = styledial.train(nested)
    assert summary["steps"] == 2
    assert (tmp_path / "run" / "adapter_model.safetensors").is_file()
    with pytest.raises(ConfigError, match=r"Did you mean `training\.kl_beta`"):
        styledial.train({"training": {"kl_bata": 0.1}})
