"""A worker's side of the turns: it waits for `go`, makes one update, and reports it.

    controller -> worker    go                                     make one update
    worker -> controller    {"event": "ready"}                     built, nothing made yet
                            {"event": "update", "seconds": ...}    made

Only what lies between `begin` and `end` is timed: on the clock, and on a CPU also in seconds of the
processor, which other programs on the machine change far less. Extra peak memory is what an update adds at its
worst moment to what was there once the base's weights were loaded: the adapter, a copy of the base
where a way keeps one, optimizer, activations, logits. On a CPU it is read from the high-water mark
of resident memory, on a GPU from the allocator.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch


class Turns:
    """Made before anything is imported that prints: standard output is for reports alone."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        self._loaded = 0
        self._started = self._used = 0.0

    def loaded(self) -> None:
        """The base's weights are there, and nothing else yet."""
        self._loaded = _memory_now()

    def ready(self) -> None:
        """All is built: from now on the peak counts."""
        _reset_peak()
        self._tell("ready")

    def begin(self) -> bool:
        """Wait for the next turn; False where there is none."""
        if sys.stdin.readline().strip() != "go":
            return False
        self._used = time.process_time()
        self._started = time.perf_counter()
        return True

    def end(self, **values: Any) -> None:
        """The update is made."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        else:
            values["processor_seconds"] = time.process_time() - self._used
        seconds = time.perf_counter() - self._started
        peak = _peak()
        self._tell("update", seconds=seconds, peak=peak, extra=peak - self._loaded, **values)

    def _tell(self, event: str, **values: Any) -> None:
        print(json.dumps({"event": event, **values}), file=self._out, flush=True)


def _memory_now() -> int:
    return torch.cuda.memory_allocated() if torch.cuda.is_available() else _status("VmRSS")


def _peak() -> int:
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else _status("VmHWM")


def _reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    elif Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def _status(name: str) -> int:
    """Bytes, from Linux; 0 elsewhere."""
    path = Path("/proc/self/status")
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return 0
