"""The components of the training loop, their interfaces, and its hooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from styledial.data.pack import Batch, PackedRows
from styledial.distributed.consensus import Consensus
from styledial.distributed.sharded_tensors import is_sharded
from styledial.models.policy import Policy
from styledial.training import step
from styledial.training.checkpoint import TrainState
from styledial.training.divergence import Direction
from styledial.training.nonfinite import UpdateCounters, UpdateCounts
from styledial.training.objective import LossSettings
from styledial.training.row_order import RowOrder


class Controller(Protocol):
    """Sets lambda (`coefficient`, a scalar tensor) from each update's KL.

    `valid` is a bool scalar: whether the update was made (else its KL is ignored).
    """

    @property
    def coefficient(self) -> Tensor:
        """Lambda, a scalar tensor on the device."""

    def update(self, kl: Tensor, valid: Tensor | None = None) -> None:
        """Take the mean KL of an update (nats per token, scalar) without a device sync."""

    def calibrate(self, heldout_kl: float) -> None:
        """Take a held-out KL in nats per token."""

    def state_dict(self) -> dict[str, float]:
        """What a checkpoint keeps."""

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Continue from a checkpoint."""


class References(Protocol):
    """Gives the base's hidden states [B, T, d] of a batch made of these style or anchor rows."""

    @property
    def saved(self) -> int:
        """Rows read so far that needed no forward pass of the base."""

    @property
    def of_style(self) -> bool:
        """Whether they are asked for style rows too; if not, for the anchor's alone."""

    def __call__(self, batch: Batch, rows: list[int], *, anchor: bool) -> Tensor:
        """[B, T, d] of `batch`, which is made of `rows`."""


@dataclass(frozen=True)
class StepMetrics:
    """What one update did, in nats per token of the whole update; on the host."""

    step: int
    nll: float
    kl: float
    anchor_kl: float
    coefficient: float
    learning_rate: float
    grad_norm: float
    tokens: int
    tokens_per_second: float
    counts: UpdateCounts


@dataclass(frozen=True)
class Anchor:
    """General rows on which the tuned model is held to the base: see docs/kl_beta.md.

    `per_update` rows are added to each update, in micro-batches of their own. `chat_rows`: how
    many are in the base's chat format.
    """

    rows: PackedRows
    order: RowOrder
    weight: float
    chat_rows: int = 0

    @property
    def per_update(self) -> int:
        """Anchor rows in each update, over all processes."""
        return self.order.batch_size

    def tokens_of(self, update: int) -> int:
        """Targets in the anchor rows of that update, over all processes."""
        return sum(map(self.rows.targets_in, self.order.update(update)))


@dataclass(frozen=True)
class Components:
    """Everything that the loop uses; none of it is replaced while the loop runs.

    `wrapped` is the policy as accelerate prepared it; it alone takes the forward that needs
    gradients, and it doesn't sum them. Without `references` there is no KL. `kl_rows`: the share
    of each update's rows that KL is read on.
    """

    policy: Policy
    wrapped: torch.nn.Module
    rows: PackedRows
    accelerator: Any
    consensus: Consensus
    optimizer: Any
    scheduler: Any
    controller: Controller
    counters: UpdateCounters
    anchor: Anchor | None = None
    references: References | None = None
    direction: Direction = "reverse"
    mask_target: bool = False
    kl_rows: float = 1.0
    max_grad_norm: float = 1.0

    @cached_property
    def weights(self) -> list[torch.nn.Parameter]:
        """The parameters that training changes."""
        return step.trained(self.policy)

    @cached_property
    def sharded(self) -> bool:
        """Whether FSDP holds the weights; then it sums the gradients, as a mean over processes."""
        return is_sharded(self.weights[0])

    @cached_property
    def loss_settings(self) -> LossSettings:
        """What KL is read, and the weight of the anchor."""
        weight = self.anchor.weight if self.anchor else 0.0
        return LossSettings(self.direction, self.mask_target, weight)

    def backward(self, loss: Tensor) -> None:
        """Gradients of this process's part of the update's sum."""
        self.accelerator.backward(loss * (self.accelerator.num_processes if self.sharded else 1))


@dataclass(frozen=True)
class Hooks:
    """Callbacks of the loop.

    stop_requested: whether this process was asked to stop. on_step_down: the smaller order from
    now on. on_log: an update's metrics. after_step: called with the state and whether any
    process was asked to stop; may save a checkpoint; the loop ends where it returns False.
    phase: called with the name of the phase that begins (step.PHASES).
    """

    stop_requested: Callable[[], bool] = lambda: False
    on_step_down: Callable[[RowOrder], None] = lambda order: None
    on_log: Callable[[StepMetrics], None] = lambda metrics: None
    after_step: Callable[[TrainState, bool], bool] = lambda state, stop: not stop
    phase: Callable[[str], None] = lambda name: None
