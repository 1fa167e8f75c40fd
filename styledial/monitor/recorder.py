"""A run's line in metrics.jsonl: collected during an update, then written and sent to the trackers.

the loop logs an update            logged()       NLL, KL, lambda, ...; also on the screen
held-out text was read             heldout()      val/...
the update is over                 write()        what the time went on; file and trackers
"""

from __future__ import annotations

import math
from typing import Any

from styledial.monitor.clock import PhaseClock, time_record
from styledial.monitor.environment import peak_memory_bytes
from styledial.monitor.screen import Screen
from styledial.monitor.trackers import Trackers
from styledial.monitor.update_warnings import UpdateWarnings
from styledial.run_folder.metrics import MetricsFile
from styledial.training.checkpoint import TrainState
from styledial.training.components import StepMetrics
from styledial.training.measure import Distance
from styledial.training.row_order import RowOrder


class Recorder:
    """`file` is metrics.jsonl on the one process that writes it, None on the others."""

    def __init__(
        self,
        file: MetricsFile | None,
        trackers: Trackers,
        warnings: UpdateWarnings,
        screen: Screen,
    ) -> None:
        self._file = file
        self._trackers, self._warnings, self._screen = trackers, warnings, screen
        self._line: dict[str, float] = {}

    def logged(self, metrics: StepMetrics, order: RowOrder) -> None:
        """Raises StyleDialError where too many updates in a row were skipped."""
        self._warnings.report(metrics.counts, order)
        self._line.update(_record(metrics, order))
        if self._file:
            self._screen.step(metrics)

    def heldout(self, found: Distance, state: TrainState, order: RowOrder) -> None:
        """Add a reading of held-out text to the line of this update."""
        self._line.update(_place(state, order), **_heldout_record(found))

    def write(self, clock: PhaseClock) -> None:
        """Send the line, if this update has one."""
        if self._line:
            # What this line says was read from the device, so the clock waits for nothing.
            self._line.update(time_record(clock.read()))
            if self._file:
                self._file.write(self._line)
                self._trackers.log(self._line)
        self._line.clear()


def _place(state: TrainState | StepMetrics, order: RowOrder) -> dict[str, Any]:
    return {
        "step": state.step,
        "epoch": round(order.epoch(state.step), 4),
        "tokens": state.tokens,
    }


def _heldout_record(found: Distance) -> dict[str, float]:
    """A reading of held-out text during the run; nats per token, and perplexity."""
    return {
        "val/nll": found.nll,
        "val/nll_base": found.nll_base,
        "val/ppl": math.exp(min(found.nll, 700.0)),  # beyond, a float overflows
        "val/kl": found.kl,
    }


def _record(metrics: StepMetrics, order: RowOrder) -> dict[str, float]:
    return {
        **_place(metrics, order),
        "train/nll": metrics.nll,
        "train/kl": metrics.kl,
        "train/anchor_kl": metrics.anchor_kl,
        "train/lambda": metrics.coefficient,
        "train/learning_rate": metrics.learning_rate,
        "train/grad_norm": metrics.grad_norm,
        "train/tokens_per_second": metrics.tokens_per_second,
        "train/skipped": metrics.counts.skipped,
        # The allocator's own count: asking for it doesn't wait for the device.
        "train/peak_memory_bytes": peak_memory_bytes(),
    }
