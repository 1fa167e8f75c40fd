"""A finished run takes more updates or epochs, however short it was, from its last state.

A run shorter than `save_steps` used to leave nothing to go on from; and anchor text depended on the
number of updates, so that a longer plan was another run.
"""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from alike import ADAPTER
from marks import slow_but
from run_folders import contents
from running import LITTLE_TEXT, SHORT_END, Done, invoke, small_run
from safetensors.torch import load_file

from styledial.run_folder.metrics import read_metrics
from styledial.training.checkpoint import checkpoints, read_checkpoint


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in [*SHORT_END, *LITTLE_TEXT]:
        monkeypatch.setattr(*each)


def settings_of(base: Path, novels: Path, output: Path, *more: str) -> list[str]:
    """The base writes anchor text, 3 rows of it an update, and `save_steps` never comes."""
    own = ("data.anchor=self", "data.anchor_ratio=0.25", "kl_beta=0.1", "save_steps=500")
    return [*small_run(base, novels, output), *own, *more]


def trained(*args: object) -> Done:
    done = invoke("train", *args)
    assert done.returncode == 0, done.stderr
    return done


def summary_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


LONGER = {
    "updates": (("max_steps=4",), ("max_steps=12",), 12),
    "epochs": (("max_steps=-1", "num_train_epochs=0.5"), ("max_steps=-1", "num_train_epochs=1"), 0),
    "full tuning": (("max_steps=4", "use_peft=false"), ("max_steps=8", "use_peft=false"), 8),
    "other mode": (("max_steps=4", "kl_mode=anchor"), ("max_steps=8", "kl_mode=anchor"), 8),
}


@pytest.mark.parametrize("kind", slow_but(LONGER, "updates"))
def test_more_is_added_to_a_short_run(
    kind: str, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    first, then, steps = LONGER[kind]
    output = tmp_path / "out"
    trained(*settings_of(tiny_base, novels, output, *first))
    before, made = summary_of(output), read_metrics(output / "metrics.jsonl")
    (kept,) = checkpoints(output / "checkpoints")
    assert kept.name == f"step-{before['steps']}"
    done = trained(*settings_of(tiny_base, novels, output, *then), "--resume")
    assert f"continuing from {kept}" in "".join(done.stderr.split("\n"))
    after, lines = summary_of(output), read_metrics(output / "metrics.jsonl")
    assert after["steps"] == (steps or after["steps"]) > before["steps"]
    assert [line["step"] for line in lines] == [*range(1, after["steps"] + 1)]
    assert [{k: v for k, v in line.items() if not k.startswith("time/")} for line in lines][
        : len(made) - 1
    ] == [{k: v for k, v in line.items() if not k.startswith("time/")} for line in made[:-1]]
    assert after["anchor"] == before["anchor"]  # the text of the first plan, not of the longer one
    assert checkpoints(output / "checkpoints")[-1].name == f"step-{after['steps']}"


def test_a_run_is_not_resumed_to_an_earlier_end(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """It said that all 90 of 30 updates were made, and wrote the smaller number of epochs down."""
    output = tmp_path / "out"
    trained(*settings_of(tiny_base, novels, output, "max_steps=3"))
    before = contents(output)
    done = invoke("train", *settings_of(tiny_base, novels, output, "max_steps=2"), "--resume")
    assert done.returncode == 2
    assert "3 updates are made, and max_steps 2 are only 2" in " ".join(done.stderr.split())
    assert contents(output) == before
    done = invoke("train", f"training.output_dir={output}", "--resume", "--overwrite")
    assert (done.returncode, "give one of them" in done.stderr) == (2, True)


@pytest.mark.slow  # it stays stopped: test_best.py
def test_a_run_that_stopped_early_goes_on_with_new_patience(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """Its patience was still at an end, so that every resume made a single update and stopped."""
    output = tmp_path / "out"
    early = ("early_stopping_patience=1", "learning_rate=0.2", "lr_scheduler_type=constant")
    settings = settings_of(tiny_base, novels, output, "data.anchor=off", *early)
    trained(*settings, "max_steps=24")
    first = summary_of(output)
    assert first["stopped_early"]
    assert first["steps"] < 24
    done = trained(*settings, "max_steps=24", "--resume")  # no more is asked for
    assert summary_of(output)["steps"] == first["steps"]
    assert "give a larger max_steps (now 24)" in " ".join(done.stderr.split())
    trained(*settings, "max_steps=48", "--resume")
    again = summary_of(output)
    assert again["steps"] > first["steps"] + 1
    trained(*settings[:-3], "max_steps=48", "learning_rate=0.001", "--resume")
    assert summary_of(output)["steps"] == 48


@pytest.mark.slow  # once more: test_more_is_added_to_a_short_run
def test_more_of_more(tiny_base: Path, novels: Path, tmp_path: Path) -> None:
    """The first plan is remembered over two longer ones; a run that fell short comes nearer."""
    reached, output = [], tmp_path / "out"
    for steps in (4, 8, 12):
        settings = settings_of(tiny_base, novels, output, f"max_steps={steps}", "kl_beta=0.5")
        trained(*settings, *(["--resume"] if reached else []))
        summary = summary_of(output)
        reached.append(summary["kl_before_landing"])
        assert summary["anchor"]["rows"] == 3  # as an update has; 12 updates alone would have 8
        assert read_checkpoint(checkpoints(output / "checkpoints")[-1]).state.first_steps == 4
    assert reached[0] < reached[1] < reached[2] < 0.5


def test_training_goes_on_from_before_the_scaling(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """The adapter of a run is scaled to its budget; more updates start from the unscaled one."""
    output = tmp_path / "out"
    settings = settings_of(tiny_base, novels, output, "kl_beta=0.005", "lora_dropout=0")
    trained(*settings, "max_steps=6")
    scale = summary_of(output)["adapter_scale"]
    assert scale < 0.9
    (kept,) = checkpoints(output / "checkpoints")
    unscaled, adapter = read_checkpoint(kept).weights, load_file(output / ADAPTER)
    grown = [name for name in unscaled if "lora_B" in name]
    assert len(grown) == sum("lora_B" in name for name in adapter)
    size = sum(unscaled[name].pow(2).sum() for name in grown).sqrt()
    landed = sum(w.pow(2).sum() for n, w in adapter.items() if "lora_B" in n) ** 0.5
    assert (landed / size).item() == pytest.approx(scale, rel=1e-3)
    trained(*settings, "max_steps=7", "--resume")
    after = read_checkpoint(checkpoints(output / "checkpoints")[-1]).weights
    moved = sum((after[name] - unscaled[name]).pow(2).sum() for name in grown).sqrt()
    assert moved < 0.5 * (1 - scale) * size


@pytest.mark.slow  # it is there: test_more_is_added_to_a_short_run
def test_the_last_state_is_small_and_may_be_removed(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """Weights and two moments of them in fp32: three adapters, and a little."""
    output = tmp_path / "out"
    settings = settings_of(tiny_base, novels, output, "max_steps=4")
    trained(*settings)
    (kept,) = checkpoints(output / "checkpoints")
    size = sum(path.stat().st_size for path in kept.iterdir())
    assert size < 3 * (output / ADAPTER).stat().st_size + 100_000
    done = trained(*settings, "--resume")
    assert "all 4 updates are made" in done.stderr
    assert "give a larger max_steps (now 4)" in " ".join(done.stderr.split())
    shutil.rmtree(output / "checkpoints")
    for command in ("report", "doctor"):
        assert invoke(command, output).returncode == 0
    trained(*settings, "--overwrite")


def test_a_run_that_was_moved_is_resumed_where_it_lies(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """Its settings named the folder that it had been in: a copy resumed the original, and a run
    that was moved began anew there. What the doctor prints for either names this folder."""
    first, moved = tmp_path / "first", tmp_path / "my run"
    trained(*settings_of(tiny_base, novels, first, "max_steps=2"))
    shutil.copytree(first, moved)
    settings = moved / "train_config.yaml"
    refused = invoke("train", "--config", settings, "--resume", "max_steps=4")
    assert refused.returncode == 2
    assert f"training.output_dir='{moved}'" in refused.stderr
    assert "for the run there" in refused.stderr
    first.rename(tmp_path / "away")
    gone = invoke("train", "--config", settings, "--resume").stderr
    assert gone.rstrip().endswith("to continue this one.")
    (tmp_path / "away").rename(first)
    (moved / "summary.json").unlink()
    told = invoke("doctor", moved).stderr
    line = next(line for line in told.splitlines() if line.startswith("  styledial train"))
    assert f"output_dir='{moved}'" in line
    trained(*shlex.split(line)[2:], "max_steps=4")
    assert (summary_of(moved)["steps"], summary_of(first)["steps"]) == (4, 2)
