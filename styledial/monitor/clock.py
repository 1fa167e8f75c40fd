"""Where a run's time goes, phase by phase, without making the device wait.

    data | reference | forward | loss | backward     each micro-batch
    optimizer                                        each update
    heldout | checkpoint                             when they are due

A mark says that a phase begins; the one before it ends there. On CUDA a mark is an event in the
stream, so a phase is what the device was busy with (or idle in); the events are only read when
metrics are logged, after the device has been waited for anyway. Elsewhere it is a clock.
"""

from __future__ import annotations

import time
from typing import Any

import torch

from styledial.training.step import PHASES


class PhaseClock:
    """Use as `clock("forward")` where that phase begins; costs one event or one clock reading."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._marks: list[tuple[str, Any]] = []
        self._spare: list[Any] = []  # events that have been read serve again

    def __call__(self, phase: str) -> None:
        """`phase` begins now, and the one before it ends."""
        self._marks.append((phase, self._now()))

    def read(self) -> dict[str, float]:
        """Seconds per phase since the last reading. On CUDA call it after a sync: it would wait."""
        if not self._marks:
            return dict.fromkeys(PHASES, 0.0)
        self(self._marks[-1][0])  # the phase that goes on is cut here
        found = dict.fromkeys(PHASES, 0.0)
        if self._cuda:
            self._marks[-1][1].synchronize()
        for (phase, began), (_, ended) in zip(self._marks, self._marks[1:], strict=False):
            found[phase] += began.elapsed_time(ended) / 1000 if self._cuda else ended - began
        if self._cuda:
            self._spare += [event for _, event in self._marks[:-1]]
        self._marks = self._marks[-1:]
        return found

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = self._spare.pop() if self._spare else torch.cuda.Event(enable_timing=True)
        event.record()
        return event


def time_record(seconds: dict[str, float]) -> dict[str, float]:
    """For metrics.jsonl: `time/seconds` that have passed, and each phase's part of them, 0 to 1."""
    total = sum(seconds.values())
    parts = {f"time/{phase}": each / total for phase, each in seconds.items()} if total > 0 else {}
    return {"time/seconds": total, **parts}
