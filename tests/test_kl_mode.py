"""What each kl_mode reads while it trains, and where its adapter ends."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from running import LITTLE_TEXT, invoke, small_run

from styledial.config import resolve
from styledial.training.reference import References


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ([], "anchor"),
        (["kl_mode=auto"], "anchor"),
        (["anchor=bundled"], "anchor"),
        (["anchor=off"], "budget"),  # nothing would hold the model back
        (["use_peft=false"], "budget"),  # nothing can be scaled at the end
        (["kl_mode=anchor", "anchor=off"], "anchor"),
        (["kl_mode=budget"], "budget"),
    ],
)
def test_what_auto_means(settings: list[str], mode: str) -> None:
    training = resolve(assignments=settings).training
    assert training.kl_mode == mode
    assert training.mode.has_controller == (mode == "budget")


@pytest.mark.parametrize(
    ("mode", "anchor", "read"),
    [
        ("budget", "bundled", {"style", "anchor"}),
        pytest.param("anchor", "bundled", {"anchor"}, marks=pytest.mark.slow),
        ("anchor", "off", set()),  # plain fine-tuning, scaled to the budget
    ],
)
def test_a_mode_runs_the_base_over_what_it_says_and_lands(
    mode, anchor, read, tiny_base, novels, tmp_path, monkeypatch
):
    passes: Counter[str] = Counter()
    real = References.__call__

    def counted(self, batch, rows, *, anchor):
        passes["anchor" if anchor else "style"] += 1
        return real(self, batch, rows, anchor=anchor)

    monkeypatch.setattr(References, "__call__", counted)
    for each in LITTLE_TEXT:
        monkeypatch.setattr(*each)
    out: Path = tmp_path / "run"
    done = invoke(
        "train",
        *small_run(tiny_base, novels, out),
        f"data.anchor={anchor}",
        "training.max_steps=12",
        "training.kl_beta=0.03",
        f"training.kl_mode={mode}",
    )
    assert done.returncode == 0, done.stderr
    assert set(passes) == read
    summary = json.loads((out / "summary.json").read_text())
    assert summary["kl_mode"] == mode
    if mode == "anchor":  # nothing held it back on the novels, so it is scaled down at the end
        assert summary["adapter_scale"] < 0.9
        # Landing reads other rows, few here.
        assert summary["kl_final"] == pytest.approx(0.03, rel=0.35)


@pytest.mark.parametrize(("budget", "calibrates"), [("5", False), ("0.0001", True)])
def test_a_run_far_below_its_budget_reads_nothing_to_scale_by(
    budget, calibrates, tiny_base, novels, tmp_path, monkeypatch
):
    for each in LITTLE_TEXT:
        monkeypatch.setattr(*each)
    out = tmp_path / "run"
    settings = [*small_run(tiny_base, novels, out), "data.anchor=off", "training.max_steps=2"]
    done = invoke("train", *settings, f"training.kl_beta={budget}")
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["kl_before_landing"] != summary["kl_final"]) == calibrates
    assert (summary["adapter_scale"] < 1) == calibrates
