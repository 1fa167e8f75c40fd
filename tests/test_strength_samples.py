"""strength_samples.json of a real run: texts whole, strengths as said, ratios those of the models."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from running import invoke, small_run

from styledial.data.tokens import text_ids
from styledial.evaluation.favoured import _joined
from styledial.models.adapter import load_adapter, scaled
from styledial.run.finished import reopen
from styledial.strength import NAMED, band_near
from styledial.training.measure import log_ratios, measure


@pytest.fixture(scope="module")
def run(strong_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(strong_run, tmp_path_factory.mktemp("strengths") / "run"))


def content_of(run: Path) -> dict:
    return json.loads((run / "strength_samples.json").read_text(encoding="utf-8"))


def text_of(words: list) -> str:
    return "".join(word for word, _ in words)


def test_every_text_is_there_whole(run: Path) -> None:
    content = content_of(run)
    samples = json.loads((run / "samples.json").read_text(encoding="utf-8"))
    assert len(content["prompts"]) == len(samples["samples"]) == 3
    for ours, theirs in zip(content["prompts"], samples["samples"], strict=True):
        assert ours["prompt"] == theirs["prompt"]
        assert text_of(ours["texts"]["base"]) == theirs["before"]
        assert text_of(ours["texts"]["adapter"]) == theirs["after"]
    written = {each["name"] for each in content["strengths"] if each["scale"] is not None}
    assert set(content["prompts"][0]["texts"]) == written  # the first prompt, at every strength
    assert all(set(each["texts"]) == {"base", "adapter"} for each in content["prompts"][1:])
    assert content["seed"] == 42
    assert text_of(content["book"])


def test_the_scales_give_the_strengths_on_all_of_the_held_out_text(run: Path) -> None:
    strengths = {each["name"]: each for each in content_of(run)["strengths"]}
    kl = json.loads((run / "summary.json").read_text())["kl_final"]
    assert strengths["base"] == {"name": "base", "scale": 0.0, "kl": 0.0}
    assert strengths["adapter"] == {"name": "adapter", "scale": 1.0, "kl": kl}
    assert set(strengths) == {"base", "adapter", *NAMED} - {band_near(kl)}
    reopened = reopen(run)
    rows = reopened.texts.halves()[1]
    reached = [name for name in set(NAMED) & set(strengths) if strengths[name]["scale"]]
    assert reached
    for name in reached:
        with scaled(reopened.policy, strengths[name]["scale"]):
            found = measure(reopened.policy, reopened.texts.heldout, only=rows, **reopened.reading)
        assert found.kl == pytest.approx(NAMED[name], rel=0.15)


@pytest.mark.slow  # in reach: test_every_text_is_there_whole
def test_a_strength_out_of_reach_says_how_far_it_goes(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """A run at 0.05 can't be turned up to 0.175: its report has to say so."""
    folder = tmp_path / "run"
    settings = [*small_run(tiny_base, novels, folder), "max_steps=40", "kl_beta=0.05"]
    assert invoke("train", *settings).returncode == 0
    strong = next(each for each in content_of(folder)["strengths"] if each["name"] == "strong")
    assert strong["scale"] is None
    assert 0.05 < strong["kl"] < 0.12
    assert "strong" not in content_of(folder)["prompts"][0]["texts"]


def test_log_ratios_are_those_of_the_two_models(run: Path) -> None:
    policy, tokenizer = load_adapter(run)
    ids = text_ids(tokenizer, ["话说那日天色已晚，众人都散了。"])
    tokens = torch.tensor([ids])
    with torch.no_grad():
        tuned = policy.model(tokens).logits.log_softmax(-1)
        with policy.as_base() as base:
            theirs = base(tokens).logits.log_softmax(-1)
    expected = [(tuned - theirs)[0, i, ids[i + 1]].item() for i in range(len(ids) - 1)]
    assert log_ratios(policy, ids) == pytest.approx(expected, abs=1e-4)
    assert max(map(abs, expected)) > 0.1
    weighed = content_of(run)["prompts"][0]
    whole = policy_sum(policy, tokenizer, weighed["prompt"], text_of(weighed["texts"]["adapter"]))
    assert math.fsum(r for _, r in weighed["texts"]["adapter"]) == pytest.approx(whole, abs=0.02)


def policy_sum(policy, tokenizer, prompt: str, text: str) -> float:
    before, after = text_ids(tokenizer, [prompt]), text_ids(tokenizer, [text], goes_on=True)
    return math.fsum(log_ratios(policy, [*before, *after])[len(before) - 1 :])


def test_parts_of_a_word_are_one_word() -> None:
    """Half of "thither" marked, because a tokenizer cut it in two, is of no use to a reader."""
    pieces = [
        (" thi", 0.5),
        ("ther", 0.7),
        (",", 0.1),
        (" don", 0.0),
        ("'t", 0.2),
        ("俺", 1.0),
        ("家", 2.0),
    ]
    assert _joined(pieces) == [
        (" thither", 1.2),
        (",", 0.1),
        (" don't", 0.2),
        ("俺", 1.0),
        ("家", 2.0),
    ]
