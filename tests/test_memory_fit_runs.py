"""`styledial plan`, and runs with --fit, --ignore-plan and `auto`: what is chosen is trained."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from memory_plans import card_between, each_plan_once, plan  # noqa: F401
from real_updates import small_model
from running import invoke, small_run

from styledial.config import resolve
from styledial.memory import fit, gpus
from styledial.units import memory_size

RUN = "styledial.run.load"  # where a run builds its parts


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "qwen2"
    return small_model("qwen2", folder, num_hidden_layers=2)


def test_a_run_that_is_too_large_stops_before_its_weights(
    tiny_base: Path, novels: Path, tmp_path: Path, with_card, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with what it offers, or --fit, it runs."""
    out = tmp_path / "out"
    settings = [*small_run(tiny_base, novels, out), "training.max_steps=2", "data.max_length=256"]
    eight = plan(resolve(None, None, {}, settings))
    four = plan(resolve(None, None, {}, [*settings, f"{fit.BATCH}=4", f"{fit.ACCUMULATION}=2"]))
    with_card(card_between(four, eight))
    with monkeypatch.context() as patch:
        patch.setattr(f"{RUN}.build_policy", lambda config: pytest.fail("weights were loaded"))
        done = invoke("train", *settings)
    assert done.returncode == 2
    assert not out.exists()
    offered = f"{fit.BATCH}=4 {fit.ACCUMULATION}=2"
    assert (
        f"Nothing was loaded. The closest configuration that fits ({memory_size(four.total)})"
        in done.stderr
    )
    assert offered in done.stderr
    assert invoke("train", *settings, *offered.split()).returncode == 0
    told = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    assert told["total_bytes"] == four.total
    assert invoke("train", *settings, "--fit", "--overwrite").returncode == 0
    used = resolve(out / "train_config.yaml")
    assert (used.training.micro_batch, used.training.gradient_accumulation_steps) == (4, 2)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert (summary["micro_batch_size"], summary["steps"]) == (4, 2)


@pytest.mark.slow  # with a micro-batch that was chosen: test_auto_in_a_run_and_in_its_resume
def test_a_run_that_was_fitted_goes_on_as_it_was_fitted(
    tiny_base: Path, novels: Path, tmp_path: Path, with_card, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though --fit took a shorter text, which alone would make it another run."""
    out = tmp_path / "out"
    settings = [*small_run(tiny_base, novels, out), "data.max_length=512", f"{fit.BATCH}=1",
                "training.gradient_checkpointing=true", "training.save_steps=2"]  # fmt: skip
    monkeypatch.setattr(fit, "allows_4bit", lambda config: False)  # larger than this tiny base
    whole, half = (
        plan(resolve(None, None, {}, [*settings, f"data.max_length={n}"])) for n in (512, 256)
    )
    with_card(card_between(whole, half))
    assert invoke("train", *settings, "max_steps=2", "--fit").returncode == 0
    assert resolve(out / "train_config.yaml").data.max_length < 512
    done = invoke("train", *settings, "max_steps=4", "--fit", "--resume")
    assert done.returncode == 0
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["steps"] == 4


@pytest.mark.slow  # the size that is taken: test_auto_takes_the_largest_batch_that_fits
def test_auto_in_a_run_and_in_its_resume(
    tiny_base: Path, novels: Path, tmp_path: Path, with_card
) -> None:
    out = tmp_path / "out"
    settings = [*small_run(tiny_base, novels, out), f"{fit.BATCH}=auto", f"{fit.ACCUMULATION}=2",
                "training.save_steps=2"]  # fmt: skip
    assert invoke("train", *settings, "training.max_steps=2").returncode == 0  # no GPU: 4 rows
    assert resolve(out / "train_config.yaml").training.per_device_train_batch_size == 4
    with_card(gpus.memory_card("24GB"))
    assert invoke("train", *settings, "training.max_steps=4", "--resume").returncode == 0
    used = resolve(out / "train_config.yaml").training
    assert (used.per_device_train_batch_size, used.gradient_accumulation_steps) == (8, 1)


@pytest.mark.slow  # what is offered in its place: test_a_run_that_is_too_large
def test_a_plan_that_is_ignored_is_still_recorded(
    tiny_base: Path, novels: Path, tmp_path: Path, with_card
) -> None:
    out = tmp_path / "out"
    settings = [*small_run(tiny_base, novels, out), "training.max_steps=2"]
    with_card(gpus.memory_card("100MB"))
    assert invoke("train", *settings, "--ignore-plan").returncode == 0
    told = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    assert told["total_bytes"] == plan(resolve(None, None, {}, settings)).total


GIVEN = ["data.anchor=bundled", "max_length=128", f"{fit.BATCH}=2"]


@pytest.mark.slow  # of a run: test_a_run_that_is_too_large
def test_fit_and_savings_on_the_command_line(model: Path) -> None:
    given = [f"model.model_name_or_path={model}", *GIVEN]
    done = invoke("plan", *given, "--memory", "100MB", "--fit", "--savings")
    assert done.returncode == 0
    assert "Does not fit" in done.stderr
    assert "It does not fit even with training.per_device_train_batch_size=1" in done.stderr
    assert re.search(r"GiB +[+-]\d+\.\d% +model\.load_in_4bit=true", done.stderr)


def test_plan_on_the_command_line(model: Path) -> None:
    given = [f"model.model_name_or_path={model}", *GIVEN]
    said = invoke("plan", *given, "--json").stderr  # both streams
    found = json.loads(said[said.index("{") :])
    assert set(found) >= {
        "allocated_bytes",
        "reserved_bytes",
        "extras",
        "total_bytes",
        "breakdown",
        "peak_phase",
        "peak_op",
    }
    auto = invoke("plan", *given, f"{fit.BATCH}=auto", "--memory", "24GB")
    assert "16 rows per micro-batch" in auto.stderr  # 4 x the default accumulation
