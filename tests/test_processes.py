"""The same run, whatever the number of processes; and what happens when one of them dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import ROOT, small_run

from styledial.metrics import read_metrics

CURVES = ("train/nll", "train/kl", "train/anchor_kl", "train/lambda", "train/grad_norm")
ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "STYLEDIAL_LANG": "en", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def runs(tiny_base: Path, novels: Path, tmp_path_factory) -> dict[str, Path]:
    """50 updates of 8 rows and 2 of anchor text each, by one to four processes."""
    folder = tmp_path_factory.mktemp("many")
    shapes = {
        "one": (1, ["per_device_train_batch_size=8"]),
        "one, in two parts": (
            1, ["per_device_train_batch_size=4", "gradient_accumulation_steps=2"],
        ),
        "two": (2, ["per_device_train_batch_size=2", "gradient_accumulation_steps=2"]),
        "four": (4, ["per_device_train_batch_size=2"]),
    }  # fmt: skip
    order = [
        (
            count,
            [*small_run(tiny_base, novels, folder / name), "max_steps=50", "anchor=self", *more],
        )
        for name, (count, more) in shapes.items()
    ]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/many.py"), json.dumps(order)],
        cwd=ROOT, env=ENV, capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {name: folder / name for name in shapes}


@pytest.mark.parametrize("name", ["one, in two parts", "two", "four"])
def test_the_number_of_processes_changes_nothing(runs: dict[str, Path], name: str) -> None:
    """Absolute differences, fp32; the curves themselves are of the size 0.1 (KL) to 7 (NLL)."""
    one, many = (read_metrics(runs[n] / "metrics.jsonl") for n in ("one", name))
    assert len(one) == len(many) == 50
    for a, b in zip(one, many, strict=True):
        for key in CURVES:
            assert a[key] == pytest.approx(b[key], abs=1e-5, rel=0), (a["step"], key)


@pytest.mark.parametrize("name", ["two", "four"])
def test_the_result_is_the_same_too(runs: dict[str, Path], name: str) -> None:
    one, many = (json.loads((runs[n] / "summary.json").read_text()) for n in ("one", name))
    for key in ("kl_final", "style_nll", "general_nll", "kl_before_landing", "steps", "tokens"):
        assert one[key] == pytest.approx(many[key], abs=1e-5)
    assert {p.name for p in runs["one"].iterdir()} == {p.name for p in runs[name].iterdir()}
    assert (runs["one"] / "samples.md").read_text() == (runs[name] / "samples.md").read_text()


def launched(*args: object, cwd: Path = ROOT, more: tuple[str, ...] = ("--standalone",)):
    """torchrun with two processes (or as `more` says); a port of its own choice."""
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *more, "--nproc_per_node=2",
         *map(str, args)],
        cwd=cwd, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_killed_process_ends_the_job_within_a_minute(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    import psutil

    metrics = tmp_path / "out/metrics.jsonl"
    settings = [*small_run(tiny_base, novels, tmp_path / "out"), "max_steps=100000"]
    job = launched("train.py", *settings)
    while not read_metrics(metrics):
        assert job.poll() is None, job.communicate()[0]
        time.sleep(0.1)
    second = next(
        child for child in psutil.Process(job.pid).children()
        if child.environ().get("RANK") == "1"
    )  # fmt: skip
    second.kill()
    said, _ = job.communicate(timeout=60)
    assert job.returncode != 0
    reason = said.partition("Root Cause")[2]
    assert reason.split("rank", 1)[1].startswith("      : 1 "), said
    assert "Signal 9 (SIGKILL)" in reason
    assert len(read_metrics(metrics)) >= 1  # nothing written is lost


def test_the_error_of_the_process_that_failed_is_in_front(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """The other one only sees a broken connection, and must not be shown as the reason."""
    failing = tmp_path / "failing.py"
    failing.write_text(
        "import os\n"
        "from styledial import trainer\n"
        "from styledial.cli.main import main\n"
        "if os.environ['RANK'] == '1':\n"
        "    def broken(*args, **kwargs):\n"
        "        raise ValueError('the disk of this machine is full')\n"
        "    trainer.StepMetrics = broken\n"
        "main()\n"
    )
    settings = [*small_run(tiny_base, novels, tmp_path / "out"), "max_steps=100000"]
    job = launched(failing, "train", *settings)
    said, _ = job.communicate(timeout=120)
    assert job.returncode != 0
    reason = said.partition("Root Cause")[2]
    assert "the disk of this machine is full" in reason, said
    assert "[rank1]: ValueError: the disk of this machine is full" in said
