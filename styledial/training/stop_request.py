"""Stop signals: SIGTERM, SIGINT (Ctrl-C), SIGHUP (the terminal or ssh was closed), SIGUSR1
(Slurm's warning before the end). All four mean the same, from the first moment to the last.

    loading, measuring, samples     Interrupted is raised there and then
    updates (`deferred`)            the signal is remembered, and the update under way is finished

The run saves what it has and ends with exit code 75 (EX_TEMPFAIL: try again later). A second Ctrl-C
or SIGTERM ends the program at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from styledial.errors import StyleDialError

_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1")
    if hasattr(signal, name)
]
_AT_ONCE = (signal.SIGTERM, signal.SIGINT)  # where they come for the second time


class Stopped(StyleDialError):
    """The run was asked to stop and has saved what it had; its message says how to go on."""

    exit_code = 75


def nothing_done(command: str) -> Stopped:
    """`command` starts the run again."""
    return Stopped(
        "Stopped before the first update. Nothing was written; the folder is as it was. Start "
        f"again with:\n  {command}",
        f"在第一步更新之前停止。没有写入任何内容，文件夹保持原样。重新开始：\n  {command}",
    )


def nothing_saved(step: int, command: str) -> Stopped:
    """For a run whose checkpoints could not be written."""
    return Stopped(
        f"Stopped after update {step}, and no checkpoint could be written: nothing of this run "
        f"is saved, and the folder is as it was before. Start again with:\n  {command}",
        f"已在第 {step} 步后停止，但检查点均未能写入：本次训练没有保存任何内容，文件夹保持原样。"
        f"重新开始：\n  {command}",
    )


class Interrupted(KeyboardInterrupt):
    """Raised by a signal where the run can be left; libraries treat it as they treat Ctrl-C."""


class StopRequest:
    """Whether this process was asked to stop, and by which signal (0: by none)."""

    def __init__(self) -> None:
        self.signal = 0
        self._deferred = 0
        self._earlier: dict[int, Any] = {}

    def asked(self) -> bool:
        """Whether a signal came."""
        return self.signal != 0

    def check(self) -> None:
        """Raises Interrupted where a signal came and its own exception was lost on the way."""
        if self.asked():
            raise Interrupted

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catch the signals for as long as the block lasts; elsewhere they act as always."""
        if threading.current_thread() is not threading.main_thread() or self._earlier:
            yield  # Python lets only the main thread listen; once is enough
            return
        for number in _SIGNALS:
            if number == getattr(signal, "SIGHUP", None) and _is_ignored(number):
                continue  # nohup: the run is to outlive its terminal
            self._earlier[number] = signal.signal(number, self._handle)
        try:
            yield
        finally:
            for number, handler in self._earlier.items():
                signal.signal(number, handler)
            self._earlier = {}

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, a signal is remembered and raises nothing; ask `asked`, or `check` afterwards."""
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first, self.signal = not self.signal, self.signal or number
        if number in _AT_ONCE:
            for each in _AT_ONCE:
                signal.signal(each, self._earlier[each])
        # A closed terminal sends SIGHUP more than once: the second one must not cut the saving.
        if first and not self._deferred:
            raise Interrupted


def _is_ignored(number: int) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN
