"""Each piece of advice, carried out, moves what was found the right way; none pulls against another.

The doctor once advised a larger budget against forgetting, and more epochs beside fewer.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from doctor_world import settings_as_text, train
from running import SHORT_END, invoke, small_run

from styledial.config import resolve
from styledial.doctor import RULES, Finding, examine, first_thing, overshoot
from styledial.doctor.curve import still_rising
from styledial.doctor.record import Record, read_record
from styledial.doctor.strength import is_scaled

_MODES: tuple[dict[str, Any], ...] = (
    *({"kl_mode": "budget", "kl_beta": beta} for beta in (0.02, 0.1, 1.5)),
    {"kl_mode": "anchor", "kl_beta": 0.1},
    {"kl_mode": "penalty", "kl_beta": 0.5},
    {"kl_mode": "off"},
)
_LENGTHS: tuple[dict[str, Any], ...] = (
    {"max_steps": 12},
    {"max_steps": 400},
    {"num_train_epochs": 6},
)
_ANCHORS: tuple[dict[str, Any], ...] = ({"anchor": "off"}, {"anchor": "self", "anchor_ratio": 0.1})
_REST: tuple[dict[str, Any], ...] = (
    {"reference_cache": "off", "save_steps": 2, "gradient_checkpointing": True},
    {
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 8,
        "max_length": 128,
        "gradient_checkpointing": True,
    },
)
_ALL = [
    ({"use_peft": peft, "learning_rate": rate, **mode, **length, **anchor, **rest}, tokens)
    for peft, rate, mode, length, anchor, rest, tokens in itertools.product(
        (True, False), (5e-6, 1e-3, 5e-3), _MODES, _LENGTHS, _ANCHORS, _REST, (30_000, 2_000_000)
    )
]
GRID = random.Random(0).sample(_ALL, 250)


def _worst(run: Record) -> float:
    return max(line["train/kl"] for line in run.lines) - min(0.0, *run.gains)


def _fall(run: Record) -> float:
    return max(run.gains) - run.gains[-1]


# What each rule found, as a number that is to become smaller.
MEASURES: dict[str, Callable[[Record], float]] = {
    "learning_rate_too_high": _worst,
    "budget_exceeded": lambda run: run.kl_now / (run.budget or 1),
    "memorising": lambda run: run.evaluation["extraction_rate_32"]["value"],
    "overfitting": _fall,
    "not_fluent": lambda run: run.evaluation["base_perplexity"]["value"],
    "forgetting": lambda run: run.summary["general_nll"],
    "too_little_data": lambda run: run.summary["trainable_parameters"],
    "learning_rate_too_low": lambda run: -run.kl,
    "budget_not_reached": lambda run: -run.kl / (run.budget or 1),
    "style_saturated": lambda run: -run.kl,
    "slow_reference": lambda run: run.share("reference"),
    "slow_small_micro_batch": lambda run: -run.config.training.micro_batch,
    "slow_checkpoints": lambda run: run.share("checkpoint"),
    "budget_binding": lambda run: -run.gain,
    "memory_headroom": lambda run: -run.summary["peak_memory_bytes"],
}


def _carried_out(settings: Mapping[str, Any], finding: Finding, tokens: int) -> Record:
    change = {name.partition(".")[2]: value for name, value in finding.change.items()}
    return train({**settings, **change}, tokens)


def test_advice_carried_out_moves_what_was_found() -> None:
    advised: set[str] = set()
    for settings, tokens in GRID:
        run = train(settings, tokens)
        for finding in examine(run):
            if finding.change:
                measure = MEASURES[finding.rule]
                after = measure(_carried_out(settings, finding, tokens))
                assert after < measure(run), (settings, tokens, finding)
                advised.add(finding.rule)
    # The grid reaches every rule whose advice is settings.
    assert advised == set(MEASURES) == {rule.name for rule in RULES}


def test_no_advice_is_against_another_or_against_itself() -> None:
    for settings, tokens in GRID:
        run = train(settings, tokens)
        found = examine(run)
        wanted: dict[str, int] = {}
        for finding in found:
            if is_scaled(run):  # by itself another kl_beta makes the same adapter
                assert set(finding.change) != {"training.kl_beta"}, finding
            for name, value in finding.change.items():
                now = run.config.value_of(name)
                assert value != now, finding
                if isinstance(value, (int, float)) and now is not None:
                    way = 1 if value > now else -1
                    assert wanted.setdefault(name, way) == way, (settings, found)
        weak = {"forgetting", "memorising", "overfitting", "not_fluent", "budget_exceeded"}
        if weak & {finding.rule for finding in found}:
            assert not re.search(
                r"[Rr]aise|onger:|larger adapter", " ".join(finding.advice[0] for finding in found)
            )
            for finding in found:
                beta = finding.change.get("training.kl_beta")
                if beta is not None and run.budget is not None:
                    assert beta < min(run.kl_now, run.budget)


def test_the_command_is_the_advice() -> None:
    """What is typed gives the run the settings that the advice names, and nothing else."""
    for settings, tokens in GRID[::4]:
        run = train(settings, tokens)
        for finding in examine(run):
            if not finding.change:
                assert finding.command == ""
                continue
            words = shlex.split(finding.command)
            assert words[:4] == ["styledial", "train", "--config", "run/train_config.yaml"]
            typed = [word for word in words[4:] if "=" in word]
            now = resolve(assignments=[*settings_as_text(settings), *typed])
            for name, value in finding.change.items():
                assert now.value_of(name) == pytest.approx(value), finding


def test_what_was_not_measured_is_not_said() -> None:
    """ "The second half of training brought 50 % of the gain", after a single update."""
    run = train({"max_steps": 12, "kl_beta": 0.5}, 100_000)
    few = Record(run.folder, run.config, run.lines[:1], run.summary, {}, run.tokens, [])
    assert still_rising(few) is None
    (finding,) = [each for each in examine(few) if each.rule == "budget_not_reached"]
    assert "half of training" not in finding.evidence[0]
    assert "后半程" not in finding.evidence[1]
    assert finding.change["training.max_steps"] > 1
    assert "nothing that it writes" not in first_thing(few, examine(few))
    bare = Record(run.folder, run.config, run.lines, run.summary, {}, {}, [])
    assert "too_little_data" not in [each.rule for each in examine(bare)]


@pytest.mark.parametrize(
    ("summary", "adapter", "times"),
    [
        ({"kl_beta": 0.1, "kl_final": 0.418, "kl_mode": "budget"}, False, 4.18),
        ({"kl_beta": 0.1, "kl_final": 0.418, "kl_mode": "anchor"}, True, 4.18),
        ({"kl_beta": 0.1, "kl_final": 0.112, "kl_mode": "budget"}, False, 1.12),
        ({"kl_beta": 0.1, "kl_final": 0.112, "kl_mode": "budget"}, True, None),
        ({"kl_beta": 0.1, "kl_final": 0.418, "kl_mode": "penalty"}, True, None),
        ({"kl_beta": 0.1, "kl_final": 0.418, "kl_mode": "off"}, False, None),
        ({"kl_beta": 0.1}, False, None),
    ],
)
def test_overshoot_of_any_kind_of_run(
    summary: dict[str, Any], adapter: bool, times: float | None
) -> None:
    found = overshoot(summary, adapter=adapter)
    assert found == (times if times is None else pytest.approx(times))


_REAL = {
    "budget_not_reached": ("max_steps=10",),
    "budget_exceeded": ("use_peft=false", "learning_rate=0.003", "kl_beta=0.02", "max_steps=8"),
    "forgetting": ("use_peft=false", "learning_rate=0.003", "kl_mode=off"),
}
_READ: dict[str, Callable[[Record], float]] = {
    **MEASURES,
    "forgetting": lambda run: run.summary["general_nll"] - run.summary["general_nll_base"],
}


@pytest.mark.slow
@pytest.mark.parametrize("rule", _REAL)
def test_the_command_carried_out_on_a_real_run(
    rule: str, tiny_base: Path, novels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in SHORT_END:
        monkeypatch.setattr(*each)
    done = invoke(
        "train", "--preset", "quick", *small_run(tiny_base, novels, tmp_path / "out"), *_REAL[rule]
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(invoke("doctor", tmp_path / "out", "--json").stderr)["findings"]
    (command,) = [each["command"] for each in found if each["rule"] == rule]
    before = read_record(tmp_path / "out")
    assert invoke(*shlex.split(command)[1:]).returncode == 0
    after = read_record(tmp_path / ("out" if "--resume" in command else "out-2"))
    assert _READ[rule](after) < _READ[rule](before)
