"""Being asked to stop: SIGTERM, SIGINT (Ctrl-C) and SIGUSR1 (Slurm's warning before the end).

The first signal is remembered and the update under way is finished; the run then saves and ends
with exit code 75 (EX_TEMPFAIL: try again later). A second Ctrl-C or SIGTERM ends it at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from styledial.errors import StyleDialError

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1")
            if hasattr(signal, name)]  # fmt: skip


class Stopped(StyleDialError):
    """The run was asked to stop and has saved what it had; --resume goes on."""

    exit_code = 75


class StopRequest:
    """Whether this process was asked to stop, and by which signal (0: by none)."""

    def __init__(self) -> None:
        self.signal = 0

    def asked(self) -> bool:
        return self.signal != 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catch the signals for as long as the block lasts; elsewhere they act as always."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python lets only the main thread listen
            return
        earlier: dict[int, Any] = {}
        self._earlier = earlier
        for number in _SIGNALS:
            earlier[number] = signal.signal(number, self._heard)
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        for each in (signal.SIGTERM, signal.SIGINT):
            # The next one acts as it did before: at once.
            signal.signal(each, self._earlier[each])
