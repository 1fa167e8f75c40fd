"""The training loop.

    for each update:
        for each micro-batch:
            policy hidden    (adapter on)           style rows + anchor rows
            reference hidden (adapter off)
            loss             (objective.py)
            backward         these four are step.py
        clip, step
        lambda <- controller(mean KL of the update)

Sums are normalised by the tokens of the whole update over all processes, so neither the size of
the micro-batch nor the number of processes changes the result.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from styledial import step
from styledial.checkpoint import TrainState
from styledial.data.pack import Batch, PackedRows
from styledial.losses import Direction
from styledial.models.policy import Policy
from styledial.order import RowOrder, shared_out


class Controller(Protocol):
    """Gives lambda (`coefficient`, a scalar tensor) and learns from each update's KL."""

    @property
    def coefficient(self) -> Tensor: ...
    def update(self, kl: Tensor) -> None: ...
    def calibrate(self, heldout_kl: float) -> None: ...
    def state_dict(self) -> dict[str, float]: ...
    def load_state_dict(self, state: dict[str, float]) -> None: ...


class References(Protocol):
    """Gives the base's hidden states [B, T, d] of a batch made of these style and anchor rows."""

    def __call__(self, batch: Batch, style: list[int], anchor: list[int]) -> Tensor: ...


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


@dataclass(frozen=True)
class Anchor:
    """General rows on which the tuned model is held to the base: see docs/kl_beta.md.

    `per_update` rows are added to each update, shared out over its micro-batches.
    """

    rows: PackedRows
    order: RowOrder
    weight: float

    @property
    def per_update(self) -> int:
        return self.order.batch_size


def train(
    policy: Policy,
    rows: PackedRows,
    order: RowOrder,
    *,
    wrapped: torch.nn.Module,
    accelerator: Any,
    optimizer: torch.optim.Optimizer,
    scheduler: Any,
    controller: Controller,
    state: TrainState,
    total_steps: int,
    direction: Direction,
    max_grad_norm: float,
    anchor: Anchor | None = None,
    references: References | None = None,
    log_every: int = 1,
    on_log: Callable[[StepMetrics], None] = lambda metrics: None,
    after_step: Callable[[TrainState], bool] = lambda state: True,
    phase: Callable[[str], None] = lambda name: None,
) -> TrainState:
    """Run updates state.step .. total_steps; `state` moves with them and is returned.

    `wrapped` is the policy as accelerate prepared it; it alone takes the forward that needs
    gradients. `after_step` may save a checkpoint; the loop ends where it returns False.
    `phase` is told what begins. The device is read only when a metric is logged.
    """
    device = accelerator.device
    wrapped.train()
    logged_at, logged_tokens = time.perf_counter(), state.tokens
    while state.step < total_steps:
        started = time.perf_counter()
        update = order.update(state.step)
        tokens = sum(map(rows.targets_in, update))
        anchor_tokens = _anchor_tokens(anchor, state.step)
        sums = torch.zeros(3, device=device)  # nll, kl, anchor kl
        for micro_step in range(order.accumulation):
            phase("data")
            last = micro_step == order.accumulation - 1
            style, held = _rows_of(order, anchor, state.step, micro_step, accelerator.process_index)
            batch = _batch(rows, style, anchor, held).to(device)
            # DDP averages gradients over processes; these sums are over all of them.
            with contextlib.nullcontext() if last else accelerator.no_sync(wrapped):
                sums += step.micro_batch(
                    policy, wrapped, batch, len(style),
                    reference=partial(references, style=style, anchor=held) if references else None,
                    coefficient=controller.coefficient, tokens=tokens,
                    anchor_tokens=anchor_tokens, anchor_weight=anchor.weight if anchor else 0.0,
                    direction=direction,
                    backward=lambda loss: accelerator.backward(loss * accelerator.num_processes),
                    phase=phase,
                )  # fmt: skip
        phase("optimizer")
        sums = accelerator.reduce(sums, reduction="sum")
        learning_rate = scheduler.get_last_lr()[0]
        coefficient = controller.coefficient.clone()
        grad_norm = step.update(
            policy, optimizer, lambda params: accelerator.clip_grad_norm_(params, max_grad_norm)
        )
        scheduler.step()
        controller.update(sums[1] / tokens)
        state.step += 1
        state.tokens += tokens
        if state.step % log_every == 0 or state.step == total_steps:
            nll, kl, anchor_kl = sums.tolist()
            # Reading `sums` waited for the device, so the clock covers all updates since.
            now = time.perf_counter()
            speed = (state.tokens - logged_tokens) / (now - logged_at)
            logged_at, logged_tokens = now, state.tokens
            on_log(
                StepMetrics(
                    state.step,
                    nll / tokens,
                    kl / tokens,
                    anchor_kl / max(anchor_tokens, 1),
                    coefficient.item(),
                    learning_rate,
                    float(grad_norm),
                    state.tokens,
                    speed,
                )  # fmt: skip
            )
        state.seconds += time.perf_counter() - started
        if not after_step(state):
            break
    return state


def _anchor_tokens(anchor: Anchor | None, step: int) -> int:
    if anchor is None:
        return 0
    return sum(map(anchor.rows.targets_in, anchor.order.update(step)))


def _rows_of(
    order: RowOrder, anchor: Anchor | None, step: int, micro_step: int, rank: int
) -> tuple[list[int], list[int]]:
    """This process's style rows of a micro-batch, and its share of the update's anchor rows."""
    style = order.micro_batch(step, micro_step, rank)
    if anchor is None:
        return style, []
    update = anchor.order.update(step)
    parts = order.accumulation * order.processes
    return style, update[shared_out(len(update), parts, micro_step * order.processes + rank)]


def _batch(rows: PackedRows, style: list[int], anchor: Anchor | None, held: list[int]) -> Batch:
    """Style rows first, anchor rows after them."""
    batch = rows.batch(style)
    return joined(batch, anchor.rows.batch(held)) if anchor and held else batch


def joined(first: Batch, second: Batch) -> Batch:
    """Two batches of one length as one."""
    positions = None
    if first.position_ids is not None or second.position_ids is not None:
        whole = torch.arange(first.input_ids.shape[1])
        positions = torch.cat(
            [whole.expand_as(b.input_ids) if b.position_ids is None else b.position_ids
             for b in (first, second)]
        )  # fmt: skip
    return Batch(
        torch.cat([first.input_ids, second.input_ids]),
        torch.cat([first.targets, second.targets]),
        positions,
    )
