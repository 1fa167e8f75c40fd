"""Running the program as a user does: in this process, in one of its own, or in several."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.testing
from typer.main import get_command
from typer.testing import CliRunner

from styledial.build import readings
from styledial.build.readings import Readings
from styledial.cli.main import app, main
from styledial.data.texts import ASSETS
from styledial.errors import StyleDialError
from styledial.report import charts
from styledial.run import cpu_time, prepare, strength_samples

ROOT = Path(__file__).resolve().parents[1]
# No network, English, one thread a process.
ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "STYLEDIAL_LANG": "en", "OMP_NUM_THREADS": "1"}
# For setattr: samples of a few tokens, a report without figures and a CPU whose speed is known, which
# otherwise take nearly half of the time of a short run.
SHORT_END: list[tuple[Any, str, Any]] = [
    (readings, "MOST", replace(readings.MOST, sample=4)),
    (strength_samples, "_TOKENS", 128),
    (charts, "available", lambda: False),
    (cpu_time, "_speed", lambda: 5e10),
]
# For setattr: readings of a few rows.
LITTLE_TEXT: list[tuple[Any, str, Any]] = [
    (prepare, "readings", lambda *_, **__: Readings(1024, 512, 256, 256, 12, sample=4)),
]


class Done(NamedTuple):
    returncode: int
    stderr: str


def invoke(*args: object, whole_end: bool = False, little_text: bool = False) -> Done:
    """`styledial ...` in this process; an error that main() wouldn't know is raised.

    A training run has a short end, but for `whole_end`; with `little_text`, or of six updates at
    the most, whose figures say nothing, it reads a few rows.
    """
    given = [str(arg) for arg in args]
    little_text |= any(re.fullmatch(r"(training\.)?max_steps=[1-6]", arg) for arg in given)
    with pytest.MonkeyPatch.context() as patch:
        for each in SHORT_END if args[0] == "train" and not whole_end else []:
            patch.setattr(*each)
        for each in LITTLE_TEXT if little_text and not whole_end else []:
            patch.setattr(*each)
        result = run_cli(given)
    if isinstance(result.exception, StyleDialError):
        return Done(result.exception.exit_code, str(result.exception))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.output)


def run_cli(args: list[str], **how: Any) -> Any:
    """typer's CliRunner, to which a command is built anew in each call: half of a short one."""
    with pytest.MonkeyPatch.context() as patch:
        command = _command(os.environ.get("STYLEDIAL_LANG"))
        patch.setattr(typer.testing, "_get_command", lambda _: command)
        return CliRunner().invoke(app, args, **how)


@functools.cache
def _command(language: str | None) -> Any:  # help is in the language of the moment
    return get_command(app)


def run_train(
    *args: object, cwd: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """`python train.py ...`, without a terminal."""
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *map(str, args)],
        cwd=cwd or ROOT,
        env={**ENV, **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def run_many(runs: list[tuple[int, list[str]]]) -> None:
    """Several runs of [processes, settings], which may hold --resume, with one start of Python."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/many.py"), json.dumps(runs)],
        cwd=ROOT,
        env=ENV,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def launched(
    *args: object, cwd: Path = ROOT, more: tuple[str, ...] = ("--standalone",), processes: int = 2
) -> subprocess.Popen[str]:
    """torchrun; alone, it chooses a free port itself."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            *more,
            f"--nproc_per_node={processes}",
            *map(str, args),
        ],
        cwd=cwd,
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def on_a_terminal(args: list[str]) -> tuple[int, int]:
    """`styledial ARGS` in a fork with a terminal of its own: its process id, and the other end."""
    import pty

    child, terminal = pty.fork()
    if child:
        return child, terminal
    sys.argv = ["styledial", *args]
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
        for number, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
    code: object = 1
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):  # the terminal is gone
                stream.flush()
        os._exit(code if isinstance(code, int) else 1)


def small_run(base: Path, novels: Path, output: Path) -> list[str]:
    """Settings of a run of some seconds; a sixth of the bundled general text."""
    return [
        f"model.model_name_or_path={base}",
        f"data.data_dir={novels}",
        f"training.output_dir={output}",
        "data.max_length=64",
        "data.validation_split=0.2",
        f"data.general={ASSETS / 'general/a7.txt'}",
        "training.per_device_train_batch_size=8",
        "training.gradient_accumulation_steps=1",
        "training.learning_rate=0.005",
        "training.gradient_checkpointing=false",
        "training.max_steps=60",
        "data.anchor=off",
        "training.evaluate_at_end=off",
    ]


def stop_at(step: int, finished: Path, output: Path) -> None:
    """A copy of a finished run as it would be, had it been killed before the next checkpoint."""
    shutil.copytree(finished, output)
    for path in (output / "checkpoints").iterdir():
        if int(path.name.removeprefix("step-")) > step:
            shutil.rmtree(path)
    for name in ("summary.json", "adapter_model.safetensors", "samples.md"):
        (output / name).unlink()
