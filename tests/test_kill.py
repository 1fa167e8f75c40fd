"""Stopped and killed, and started again, a run ends with the bits of one that was left alone.

The short form of benchmarks/kill_test.py, which does it 200 times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import ENV, ROOT


@pytest.mark.slow  # killed at chosen moments: test_run_replaced.py, test_checkpoint.py
@pytest.mark.skipif(os.name != "posix", reason="processes are forked and killed as on POSIX")
@pytest.mark.parametrize(("processes", "kills"), [(1, 6), (2, 2)])
def test_ended_at_random_moments(
    processes: int, kills: int, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "benchmarks/kill_test.py"),
            f"--kills={kills}",
            f"--processes={processes}",
            "--steps=4",
            "--each=3",
            f"--output={tmp_path}",
            f"model.model_name_or_path={tiny_base}",
            f"data.data_dir={novels}",
            "data.max_length=128",
            f"training.per_device_train_batch_size={4 // processes}",
            "training.evaluate_at_end=off",
        ],
        env=ENV,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] == kills
    assert found["identical"], found["wrong"]
