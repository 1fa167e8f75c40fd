"""Early stopping, and the best checkpoint by held-out loss."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from running import invoke, run_many, small_run
from safetensors.torch import load_file

from styledial.run_folder.metrics import read_metrics
from styledial.training.best import Best


def test_the_lowest_reading_is_kept() -> None:
    best, weight = Best(patience=2), torch.zeros(2)
    for step, nll in ((1, 3.0), (2, 2.0), (3, 2.0), (4, math.nan)):
        weight.fill_(step)
        assert not best.exhausted
        best.read(step, nll, lambda: {"w": weight})
    assert (best.step, best.nll, best.stale, best.exhausted) == (2, 2.0, 2, True)
    assert best.weights["w"].tolist() == [2, 2]
    other = Best()
    other.load(best.state(), best.weights)
    assert (other.state(), other.exhausted) == (best.state(), False)
    assert Best().state() == {}


# A learning rate at which held-out loss soon rises again: at one reading of a dozen at least.
STEEP = ["training.learning_rate=0.02", "training.kl_mode=off", "lr_scheduler_type=constant"]


@pytest.fixture(scope="module")
def stopped(tiny_base: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("best") / "run"
    done = invoke(
        "train",
        *small_run(tiny_base, novels, folder),
        *STEEP,
        "max_steps=60",
        "save_steps=5",
        "early_stopping_patience=1",
    )
    assert done.returncode == 0, done.stderr
    assert "with the lowest held-out NLL" in done.stderr
    assert "(stopped early)" in done.stderr
    return folder


def _readings(folder: Path) -> dict[int, float]:
    lines = read_metrics(folder / "metrics.jsonl")
    return {int(line["step"]): line["val/nll"] for line in lines if "val/nll" in line}


def test_a_run_stops_where_held_out_loss_no_longer_falls(stopped: Path) -> None:
    summary = json.loads((stopped / "summary.json").read_text("utf-8"))
    readings = _readings(stopped)
    lowest = min(readings, key=lambda step: readings[step])
    after = [step for step in readings if step > lowest]
    assert (summary["best_step"], summary["stopped_early"]) == (lowest, True)
    assert summary["best_val_nll"] == pytest.approx(readings[lowest])
    assert len(after) == 1
    assert summary["steps"] == max(after) < 60


def test_the_adapter_is_the_best_one(
    stopped: Path, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    best = json.loads((stopped / "summary.json").read_text("utf-8"))["best_step"]
    until = tmp_path / "until"
    done = invoke("train", *small_run(tiny_base, novels, until), *STEEP, f"max_steps={best}")
    assert done.returncode == 0, done.stderr
    one, two = (load_file(each / "adapter_model.safetensors") for each in (stopped, until))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow  # the last weights: test_resume.py
def test_a_run_resumed_in_between_is_the_same(
    stopped: Path, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    args = [*small_run(tiny_base, novels, tmp_path / "cut"), *STEEP, "save_steps=5"]
    args += ["early_stopping_patience=1", "max_steps=60"]
    last = json.loads((stopped / "summary.json").read_text("utf-8"))["steps"]
    shutil.copytree(stopped, tmp_path / "cut")
    for path in (tmp_path / "cut/checkpoints").iterdir():
        if int(path.name.removeprefix("step-")) == last:
            shutil.rmtree(path)
    for name in ("summary.json", "adapter_model.safetensors"):
        (tmp_path / "cut" / name).unlink()
    done = invoke("train", *args, "--resume")
    assert done.returncode == 0, done.stderr
    weights = [each / "adapter_model.safetensors" for each in (stopped, tmp_path / "cut")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    one, two = (
        json.loads((each / "summary.json").read_text("utf-8"))
        for each in (stopped, tmp_path / "cut")
    )
    for key in ("best_step", "best_val_nll", "steps", "kl_final", "stopped_early"):
        assert one[key] == two[key], key


def test_a_resumed_run_that_had_stopped_early_makes_no_update(
    stopped: Path, tiny_base: Path, novels: Path
) -> None:
    before = json.loads((stopped / "summary.json").read_text("utf-8"))
    args = [*small_run(tiny_base, novels, stopped), *STEEP, "save_steps=5", "max_steps=60"]
    weights = (stopped / "adapter_model.safetensors").read_bytes()
    done = invoke("train", *args, "early_stopping_patience=1", "--resume")
    assert done.returncode == 0, done.stderr
    after = json.loads((stopped / "summary.json").read_text("utf-8"))
    assert (after["steps"], after["best_step"]) == (before["steps"], before["best_step"])
    assert (stopped / "adapter_model.safetensors").read_bytes() == weights


@pytest.mark.slow
def test_several_processes_stop_after_the_same_update(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """At so high a rate the order of additions changes the curve, so each is judged by its own."""
    shared = ["max_steps=60", "early_stopping_patience=2", "per_device_train_batch_size=4"]
    plain, sharded = (
        [*small_run(tiny_base, novels, tmp_path / name), *STEEP, *shared]
        for name in ("two", "many")
    )
    run_many([(2, plain), (2, [*sharded, "fsdp=on"])])
    for folder in (tmp_path / "two", tmp_path / "many"):
        summary, best = json.loads((folder / "summary.json").read_text("utf-8")), Best(2)
        for step, nll in _readings(folder).items():
            assert not best.exhausted
            best.read(step, nll, dict)
        assert (summary["best_step"], summary["steps"]) == (best.step, max(_readings(folder)))
        assert summary["stopped_early"] == (best.exhausted and summary["steps"] < 60)


@pytest.mark.slow  # landing: test_landing.py
def test_the_best_one_lands_on_the_budget(tiny_base: Path, novels: Path, tmp_path: Path) -> None:
    args = [*small_run(tiny_base, novels, tmp_path / "run"), "kl_beta=0.02", "max_steps=24"]
    done = invoke("train", *args, "load_best_model_at_end=true")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run/summary.json").read_text("utf-8"))
    assert summary["stopped_early"] is False
    assert summary["steps"] == 24
    readings = _readings(tmp_path / "run")
    assert readings[summary["best_step"]] == min(readings.values())
    if summary["kl_before_landing"] > 0.02:
        assert summary["kl_final"] == pytest.approx(0.02, rel=0.5)
