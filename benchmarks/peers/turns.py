"""A worker's side of the turns: it waits for `go`, makes one update, and reports it.

    controller -> worker    go                                     make one update
    worker -> controller    {"event": "ready"}                     built, nothing made yet
                            {"event": "update", "seconds": ...}    made

Only what lies between `begin` and `end` is timed: on the clock, and on a CPU also in seconds of the
processor, which other programs on the machine change far less. Extra peak memory is what an update
adds at its worst moment to what was there once the base's weights were loaded: the adapter, a copy
of the base where a way keeps one, optimizer, activations, logits. On a GPU the allocator knows it.
On a CPU the high-water mark of resident memory also has libraries that are imported later and
freed memory that is kept, so `--trace` has torch's profiler add up what tensors take and give back;
an update is slower for it, so such a process is not timed.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile


class Turns:
    """Made before anything is imported that prints: standard output is for reports alone."""

    def __init__(self, *, trace: bool = False) -> None:
        self._trace = Trace() if trace else None
        self._out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        self._loaded = 0
        self._started = self._used = 0.0

    def loaded(self) -> None:
        """The base's weights are there, and nothing else yet."""
        self._loaded = _memory_now()
        if self._trace:
            self._trace.begin()

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
        if self._trace and self._trace.end_of_update():
            values["traced"] = self._trace.peak()
        self._tell("update", seconds=seconds, peak=peak, extra=peak - self._loaded, **values)

    def _tell(self, event: str, **values: Any) -> None:
        print(json.dumps({"event": event, **values}), file=self._out, flush=True)


class Trace:
    """Bytes that tensors take from `begin` to the end of the second update, at the worst moment."""

    UPDATES = 2  # the second has the optimizer's moments from its beginning

    def __init__(self) -> None:
        self._profile = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
        self._made = 0

    def begin(self) -> None:
        gc.collect()  # what came before and goes while it listens would count as negative
        self._profile.start()

    def end_of_update(self) -> bool:
        """Whether that was the last that is traced."""
        self._made += 1
        if self._made == self.UPDATES:
            self._profile.stop()
        return self._made == self.UPDATES

    def peak(self) -> int:
        assert self._profile.profiler is not None
        events = self._profile.profiler.kineto_results.events()
        memory = [event for event in events if event.name() == "[memory]"]
        memory.sort(key=lambda event: event.start_ns())
        return max(accumulate(event.nbytes() for event in memory))


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
