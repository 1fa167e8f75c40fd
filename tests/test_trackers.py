"""Live metrics: what a tracker is given is what metrics.jsonl says."""

from __future__ import annotations

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from running import invoke, small_run

from styledial.config import resolve
from styledial.errors import ConfigError, UserError
from styledial.monitor import trackers
from styledial.run_folder.metrics import read_metrics


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("none", []),
        ("tensorboard", ["tensorboard"]),
        ("[wandb, tensorboard]", ["tensorboard", "wandb"]),
        ("[]", []),
        ("null", []),
        ("None", []),
    ],
)
def test_the_setting(written: str, names: list[str]) -> None:
    config = resolve(None, None, {}, [f"report_to={written}"])
    assert trackers.wanted(config.training.report_to) == names


def test_all_is_all_that_are_installed() -> None:
    assert trackers.wanted("all") == [n for n in trackers.TRACKERS if find_spec(n)]


@pytest.mark.parametrize("written", ["mlflow", "[tensorboard, comet]", "3"])
def test_what_is_no_tracker_is_refused(written: str) -> None:
    with pytest.raises(ConfigError, match=r"training.report_to.*tensorboard"):
        resolve(None, None, {}, [f"report_to={written}"])


def test_a_missing_extra_is_said_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    done = invoke(
        "train",
        "model.model_name_or_path=nowhere",
        f"data_dir={tmp_path / 'nothing'}",
        f"output_dir={tmp_path / 'out'}",
        "report_to=trackio",
    )
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "training.report_to: trackio is not installed; pip install 'styledial[trackio]'"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["wandb", "swanlab"])
def test_a_run_never_asks_for_a_login(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: object())
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("MODE", "API_KEY", "SAVE_DIR", "IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(f"{name.upper()}_{variable}", raising=False)
    monkeypatch.delenv("NETRC", raising=False)
    with pytest.raises(UserError, match=f"Run `{name} login` first"):
        trackers.check([name])
    home = tmp_path / ".swanlab" if name == "swanlab" else tmp_path
    home.mkdir(exist_ok=True)
    (home / ".netrc").write_text("machine api.example login user password secret\n")
    trackers.check([name])
    (home / ".netrc").unlink()
    monkeypatch.setenv(f"{name.upper()}_MODE", "offline")
    trackers.check([name])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # TensorBoard's own dependencies deprecate things
def test_tensorboard_reads_what_metrics_jsonl_says(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra `tensorboard`")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    output = tmp_path / "out"
    args = [*small_run(tiny_base, novels, output), "max_steps=5", "report_to=tensorboard"]
    done = invoke("train", *args)
    assert done.returncode == 0, done.stderr
    events = EventAccumulator(str(output / "tensorboard/styledial"))
    events.Reload()
    records = read_metrics(output / "metrics.jsonl")
    for key in (
        "train/nll",
        "train/kl",
        "train/lambda",
        "train/learning_rate",
        "train/peak_memory_bytes",
    ):
        assert [(e.step, e.value) for e in events.Scalars(key)] == [
            (r["step"], pytest.approx(r[key], rel=1e-6)) for r in records
        ]
    assert (output / "adapter_model.safetensors").is_file()
    # Another run in the same place leaves nothing of this one behind.
    assert invoke("train", *args, "max_steps=2", "--overwrite").returncode == 0
    events = EventAccumulator(str(output / "tensorboard/styledial"))
    events.Reload()
    assert [e.step for e in events.Scalars("train/nll")] == [1, 2]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "left"),
    [("wandb", "wandb/offline-run-*/*.wandb"), ("swanlab", "swanlog/run-*/*.swanlab")],
)
def test_the_others_offline(
    name: str,
    left: str,
    tiny_base: Path,
    novels: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip(name, reason=f"needs the extra `{name}`")
    monkeypatch.setenv(f"{name.upper()}_MODE", "offline")
    done = invoke(
        "train", *small_run(tiny_base, novels, tmp_path / "out"), "max_steps=2", f"report_to={name}"
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob(left))) == 1


@pytest.mark.filterwarnings("ignore")
def test_trackio(tiny_base: Path, novels: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when it is imported
    pytest.importorskip("trackio", reason="needs the extra `trackio`")
    args = [*small_run(tiny_base, novels, tmp_path / "out"), "max_steps=2", "report_to=trackio"]
    assert invoke("train", *args).returncode == 0
    assert (tmp_path / "trackio/styledial.db").is_file()


def test_a_resumed_run_goes_on_with_its_own_ids(tmp_path: Path) -> None:
    """Each start began another run on the tracker's page."""
    first = trackers.runs_of(["tensorboard", "wandb", "trackio"], tmp_path, resuming=False)
    assert first.keys() == {"wandb", "trackio"}
    assert first["trackio"].startswith(tmp_path.name)
    (tmp_path / "trackers.json").write_text(json.dumps(first))
    again = trackers.runs_of(["wandb", "swanlab"], tmp_path, resuming=True)
    assert {name: again[name] for name in first} == first
    assert re.fullmatch("[0-9a-z]{21}", again["swanlab"])
    assert trackers.runs_of(["wandb"], tmp_path, resuming=False)["wandb"] != first["wandb"]
    (tmp_path / "trackers.json").write_text("[")
    assert trackers.runs_of(["wandb"], tmp_path, resuming=True)["wandb"] != first["wandb"]


@pytest.mark.filterwarnings("ignore")
def test_wandb_gets_the_same_run_on_resume(
    tiny_base: Path, novels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="needs the extra `wandb`")
    monkeypatch.setenv("WANDB_MODE", "offline")
    out = tmp_path / "out"
    args = [*small_run(tiny_base, novels, out), "max_steps=2", "report_to=wandb", "save_steps=1"]
    assert invoke("train", *args).returncode == 0
    kept = json.loads((out / "trackers.json").read_text("utf-8"))["wandb"]
    assert invoke("train", *args, "max_steps=3", "--resume").returncode == 0
    runs = list((out / "wandb").glob("offline-run-*"))
    assert len(runs) == 2
    assert all(run.name.endswith(kept) for run in runs)
    assert invoke("train", *args, "--overwrite").returncode == 0
    assert json.loads((out / "trackers.json").read_text("utf-8"))["wandb"] != kept


class _Broken:
    def init_trackers(self, *args: object) -> None:
        if sys.stdin.isatty():
            raise AssertionError("a tracker could ask")

    def log(self, values: dict, step: int) -> None:
        raise ConnectionError("gone")


def test_a_tracker_that_fails_is_said_once(tmp_path: Path) -> None:
    notes: list[str] = []
    live = trackers.Trackers(_Broken(), ["wandb"], tmp_path, {}, 0, lambda en, zh: notes.append(en))
    for step in (1, 2, 3):
        live.log({"step": step, "train/nll": 1.0})
    assert notes == [
        "report_to: nothing more is logged there (ConnectionError: gone); metrics.jsonl goes on."
    ]
