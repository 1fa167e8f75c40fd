"""The weights of the update with the lowest held-out loss, and early stopping.

A copy stays in this machine's memory (an adapter is small; of full tuning it is a copy of all
weights) and goes into every checkpoint, so that a resumed run knows it too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from styledial.training.checkpoint import TrainState


def is_complete(state: TrainState, best: Best | None, steps: int) -> bool:
    """Whether a run of `steps` updates has made all of them, or has stopped early."""
    return state.step >= steps or (best is not None and best.exhausted)


class Best:
    """`patience`: readings in a row without a lower loss, after which `exhausted` is true; None:
    never."""

    def __init__(self, patience: int | None = None) -> None:
        self.patience = patience
        self.step, self.nll, self.stale = 0, math.inf, 0
        self.weights: dict[str, Tensor] = {}

    def read(self, step: int, nll: float, weights: Callable[[], dict[str, Tensor]]) -> None:
        """Held-out loss after update `step`, nats per token; `weights()` are those of the moment,
        asked for where it is the lowest. The same on all processes."""
        if not nll < self.nll:  # also for NaN
            self.stale += 1
            return
        self.step, self.nll, self.stale = step, nll, 0
        self.weights = {name: w.detach().to("cpu", copy=True) for name, w in weights().items()}

    @property
    def exhausted(self) -> bool:
        """Whether the run should stop: `patience` readings in a row had no lower loss."""
        return self.patience is not None and self.stale >= self.patience

    def state(self) -> dict[str, float]:
        """For a checkpoint's state.json; {} before the first reading."""
        if not self.weights:
            return {}
        return {"step": self.step, "nll": self.nll, "stale": self.stale}

    def load(self, state: Mapping[str, float], weights: dict[str, Tensor]) -> None:
        """As `state` and `weights` were saved; nothing where an earlier run kept no best."""
        if state and weights:
            self.step, self.stale = int(state["step"]), int(state["stale"])
            self.nll, self.weights = state["nll"], weights
