"""Trainings as processes of their own: `python -m styledial train ...`, as it would be typed.

One at a time, as they would share a GPU. Their output goes into a file in `.styledial-studio`
beside the runs. They continue when the studio ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from styledial.errors import UserError
from styledial.language import say
from styledial.training.stop_request import Stopped

LOGS = ".styledial-studio"
_TAIL = 16_000  # bytes of a log that are shown


def stop_process(pid: int) -> None:
    """Ask a run that this studio didn't begin to stop, as Ctrl-C would."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGTERM)


@dataclass
class Job:
    """The commands of one run, one after the other; `code` is None while they go on."""

    folder: Path
    log: Path
    commands: Sequence[Sequence[str]]
    code: int | None = None
    stopping: bool = False
    process: subprocess.Popen[bytes] | None = None
    guard: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Run the commands until one fails; for a thread of its own."""
        code = 0
        for words in self.commands:
            with self.guard:
                if self.stopping:
                    break
                self.process = _started(words, self.log)
            code = self.process.wait()
            if code:
                break
        self.code = code

    def stop(self) -> None:
        """Ask the run to stop: it finishes its update, saves, and can be resumed."""
        with self.guard:
            self.stopping = True
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)

    def words(self) -> str:
        """What it does, in a word or two."""
        if self.code is None:
            return say("stopping", "正在停止") if self.stopping else say("running", "进行中")
        if self.code == Stopped.exit_code or self.stopping:
            return say("stopped", "已停止")
        return say("finished", "已完成") if self.code == 0 else say("failed", "失败")


class Jobs:
    """The runs that this studio began. `logs` is where their words are kept."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._jobs: dict[Path, Job] = {}
        self._guard = threading.Lock()

    def of(self, folder: Path) -> Job | None:
        """The latest job of a run's folder."""
        return self._jobs.get(folder)

    def begin(self, folder: Path, commands: Sequence[Sequence[str]]) -> Job:
        """Begin the commands of a run. Raises UserError while another one goes on."""
        with self._guard:
            for each in self._jobs.values():
                if each.code is None:
                    raise UserError(
                        f"{each.folder.name} is still running; wait for it or stop it first.",
                        f"{each.folder.name} 仍在进行；请等它结束或先停止。",
                    )
            job = Job(folder, self._logs / LOGS / f"{folder.name}.log", commands)
            _begin_log(job.log, append=folder.exists())
            self._jobs[folder] = job
        threading.Thread(target=job.run, daemon=True).start()
        return job

    def log_of(self, folder: Path) -> str:
        """The last lines of the run's log, "" if this studio did not start it."""
        try:
            with (self._logs / LOGS / f"{folder.name}.log").open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""


def _begin_log(path: Path, *, append: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab" if append else "wb").close()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); the run was not started.",
            f"{path}：无法写入（{error.strerror}）；训练没有开始。",
        ) from None


def _started(words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """In a session of its own: Ctrl-C in the studio's terminal isn't for it."""
    output: IO[bytes]
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "styledial", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
