"""evaluation.json: typed figures with intervals, at the end of a run and by the command."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from running import invoke, small_run

from styledial.evaluation.result import of_mean, of_sums, ratio

READ = {
    "kl", "style_nll", "style_nll_gain", "style_bits_per_character", "general_nll", "general_kl",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("evaluated") / "run"))


@pytest.fixture(scope="module")
def dialled(run: Path) -> Path:
    assert invoke("dial", run, "--export", "0.03").returncode == 0
    return run


def content(folder: Path) -> dict:
    return json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))


def test_a_mean_has_the_interval_of_statistics() -> None:
    values = np.random.default_rng(1).normal(5, 2, size=400)
    value, (low, high) = of_mean(values)
    assert value == pytest.approx(values.mean())
    # 1.96 standard errors either side, which is what the bootstrap must come to.
    error = 1.96 * values.std() / 20
    assert (value - low, high - value) == pytest.approx((error, error), rel=0.1)
    assert of_mean(values) == (value, (low, high))


def test_a_ratio_weighs_units_by_their_size() -> None:
    value, (low, high) = of_sums(np.array([[10.0, 1.0], [10.0, 9.0]]), ratio)
    assert value == 2.0
    assert low <= value <= high


def test_a_run_leaves_its_evaluation(run: Path) -> None:
    found = content(run)
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert set(found["metrics"]) >= READ
    for name, metric in found["metrics"].items():
        assert set(metric) - {"books"} == {"value", "ci", "base", "unit"}, name
        low, high = metric["ci"]
        assert low <= metric["value"] <= high, name
    metrics = found["metrics"]
    assert metrics["kl"]["value"] == pytest.approx(summary["kl_final"])
    assert metrics["style_nll"]["base"] == pytest.approx(summary["style_nll_base"])
    gain = summary["style_nll_base"] - summary["style_nll"]
    assert metrics["style_nll_gain"]["value"] == pytest.approx(gain)
    assert metrics["style_nll_gain"]["ci"][0] > 0
    assert metrics["general_kl"]["value"] == pytest.approx(summary["general_kl"])
    bits = metrics["style_bits_per_character"]
    assert bits["value"] == pytest.approx(summary["style_bits_per_character"])
    assert bits["base"] == pytest.approx(summary["style_bits_per_character_base"])
    # One token a character, but for the ends of the two books.
    per_token = summary["style_nll"] / math.log(2)
    assert 1 - 1e-9 <= bits["value"] / per_token < 1.02


def test_the_command_measures_the_saved_adapter(run: Path) -> None:
    at_end = content(run)
    done = invoke("evaluate", run, "--json")
    assert done.returncode == 0, done.stderr
    found = content(run)
    assert found["settings"]["against"] == "base"
    for name in READ:
        assert found["metrics"][name]["value"] == pytest.approx(
            at_end["metrics"][name]["value"], abs=1e-4
        )


@pytest.mark.slow  # at its own: test_the_command_measures
def test_a_dialled_strength_is_shown_and_not_written(dialled: Path) -> None:
    before = (dialled / "evaluation.json").read_bytes()
    done = invoke("evaluate", dialled, "--kl_beta", "0.04", "--json", "--passages", "10")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stderr[done.stderr.index("{") :])
    assert shown["metrics"]["kl"]["value"] == pytest.approx(0.04, rel=0.1)
    assert shown["settings"]["kl_beta"] == 0.04
    assert (dialled / "evaluation.json").read_bytes() == before


@pytest.mark.slow  # one adapter: test_the_command_measures_the_saved_adapter
def test_two_adapters_side_by_side(dialled: Path, tmp_path: Path) -> None:
    other = dialled / "export/kl-0.03"
    done = invoke("evaluate", dialled, "--against", other, "--passages", "10")
    assert done.returncode == 0, done.stderr
    against = content(dialled)["metrics"]["kl"]["against"]
    assert against["value"] == pytest.approx(0.03, rel=0.1)
    assert invoke("evaluate", dialled, "--against", tmp_path).returncode == 2


def test_a_failing_evaluation_does_not_fail_the_run(
    tiny_base: Path, novels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from styledial.evaluation import suite

    def broken(*args: object, **more: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(suite, "evaluate", broken)
    settings = ["max_steps=2", "evaluate_at_end=quick"]
    done = invoke("train", *small_run(tiny_base, novels, tmp_path / "out"), *settings)
    assert done.returncode == 0
    assert "its evaluation failed (RuntimeError: no room)" in done.stderr
    assert (tmp_path / "out/summary.json").is_file()
    assert not (tmp_path / "out/evaluation.json").exists()
