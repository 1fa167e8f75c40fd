"""The training loop.

    for each update:
        gradients        of this process's micro-batches (step.py), first of style rows, then of
                         anchor rows; again with half the rows if memory runs out (out_of_memory.py)
        sum              over the processes (distributed/consensus.py)
        clip_and_step    clip, optimizer; the step is left out where the loss or the gradient is
                         non-finite (nonfinite.py); lambda <- controller(mean KL of the update)
        read_metrics     every `log_every` updates; nothing else waits for the device

Sums are normalised by the tokens of the whole update over all processes, so neither the size of
the micro-batch nor the number of processes changes the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from styledial.data.pack import IGNORE_INDEX, Batch, PackedRows
from styledial.distributed.sharded_tensors import full_tensor
from styledial.progress import tracked
from styledial.training import step
from styledial.training.checkpoint import TrainState
from styledial.training.components import Components, Hooks, StepMetrics
from styledial.training.kl_sample import kl_rows_of
from styledial.training.nonfinite import skip_step_where
from styledial.training.objective import MicroBatch
from styledial.training.out_of_memory import reserve_state, with_step_down
from styledial.training.row_order import RowOrder


@dataclass(frozen=True)
class Update:
    """One update (`number` is 0-based) and the tokens in it that carry loss, over all processes.

    kl_rows: the rows that KL is read on, each for `kl_factor` rows; None for all of them.
    """

    number: int
    tokens: int
    anchor_tokens: int
    kl_rows: frozenset[int] | None = None
    kl_factor: float = 1.0

    @classmethod
    def of(cls, parts: Components, order: RowOrder, number: int) -> Update:
        """Count the tokens of update `number`; the device is not needed."""
        rows = order.update(number)
        tokens = sum(map(parts.rows.targets_in, rows))
        anchor_tokens = parts.anchor.tokens_of(number) if parts.anchor else 0
        if parts.kl_rows == 1 or not (parts.references and parts.references.of_style):
            return cls(number, tokens, anchor_tokens)
        chosen = kl_rows_of(rows, parts.kl_rows, order.seed, number)
        read = sum(row in chosen for row in rows)  # a row of two epochs may be there twice
        return cls(number, tokens, anchor_tokens, chosen, len(rows) / read)

    def kl_places(self, rows: list[int]) -> list[int] | None:
        """Which of `rows`, by place, KL is read on; None for all."""
        if self.kl_rows is None:
            return None
        return [place for place, row in enumerate(rows) if row in self.kl_rows]


class Sums(NamedTuple):
    """Of an update, over its tokens and all processes, on the device.

    losses: [3], of nll, kl and anchor kl. nonfinite: [micro-batches x processes], 1 where the
    loss of that micro-batch of that rank is non-finite.
    """

    losses: Tensor
    nonfinite: Tensor


class Made(NamedTuple):
    """An update after its step, on the device: what it was made with, and whether it was made."""

    sums: Sums
    coefficient: Tensor
    learning_rate: float
    grad_norm: Tensor


def train(
    parts: Components,
    order: RowOrder,
    state: TrainState,
    *,
    total_steps: int,
    log_every: int = 1,
    hooks: Hooks | None = None,
) -> TrainState:
    """Run updates state.step .. total_steps; `state` moves with them and is returned.

    The device is read only when a metric is logged. Raises torch.OutOfMemoryError where not even
    one row fits.
    """
    hooks = hooks or Hooks()
    state.effective_batch = order.effective_batch
    if not parts.sharded:
        parts.consensus.share_from_first(parts.weights)
    parts.wrapped.train()
    speed = _Speed(state.tokens)
    while state.step < total_steps:
        started = time.perf_counter()
        update = Update.of(parts, order, state.step)
        attempt = with_step_down(
            partial(gradients, parts, update, hooks.phase),
            order,
            consensus=parts.consensus,
            discard=parts.optimizer.zero_grad,
            stop_requested=hooks.stop_requested,
            on_step_down=hooks.on_step_down,
            sharded=parts.sharded,
        )
        order = attempt.order
        state.step_downs += attempt.step_downs
        state.micro_batch_size = order.batch_size
        made = clip_and_step(parts, update, sum_over_processes(parts, attempt.result))
        state.step += 1
        state.tokens += update.tokens
        if state.step % log_every == 0 or state.step == total_steps:
            metrics = read_metrics(parts, update, made, state, speed)
            state.skipped = metrics.counts.skipped
            hooks.on_log(metrics)
        state.seconds += time.perf_counter() - started
        if not hooks.after_step(state, attempt.stop_requested):
            break
    return state


def gradients(
    parts: Components, update: Update, phase: Callable[[str], None], order: RowOrder
) -> Tensor:
    """Add this process's gradients of an update; returns its part of `Sums`, as one tensor.

    Takes all the memory that the update needs, that of the optimizer's state included.
    """
    rank, device = parts.accelerator.process_index, parts.accelerator.device
    shares = _shares(parts, order, update, rank)
    sums = torch.zeros(3 + len(shares) * order.processes, device=device)
    for number, share in enumerate(tracked(shares)):
        if not (share.chosen or parts.sharded):
            continue
        phase("data")
        found = step.micro_batch(
            parts.policy,
            parts.wrapped,
            _micro_batch(parts, update, share, device),
            coefficient=parts.controller.coefficient,
            settings=parts.loss_settings,
            reference=_reference(parts, share),
            backward=parts.backward,
            phase=phase,
        )
        sums[:3] += found
        sums[3 + number * order.processes + rank] = ~torch.isfinite(found).all()
    phase("optimizer")
    if not parts.sharded:
        parts.consensus.reserve(parts.weights)
    reserve_state(parts.optimizer)
    return sums


def sum_over_processes(parts: Components, sums: Tensor) -> Sums:
    """Sum the gradients, where FSDP hasn't, and what `gradients` returned."""
    if not parts.sharded:
        parts.consensus.sum_gradients(parts.weights)
    sums = parts.accelerator.reduce(sums, reduction="sum")
    return Sums(sums[:3], sums[3:])


def clip_and_step(parts: Components, update: Update, sums: Sums) -> Made:
    """Clip, step, move the schedule and lambda. An update that isn't finite changes no weight."""
    learning_rate = parts.scheduler.get_last_lr()[0]
    coefficient = parts.controller.coefficient.clone()
    grad_norm = full_tensor(parts.accelerator.clip_grad_norm_(parts.weights, parts.max_grad_norm))
    loss_is_finite = torch.isfinite(sums.losses).all()
    gradient_is_finite = torch.isfinite(grad_norm)
    valid = loss_is_finite & gradient_is_finite
    skip_step_where(~valid, parts.optimizer, parts.accelerator.scaler)
    step.update(parts.optimizer)
    parts.scheduler.step()
    mean_nll, mean_kl = sums.losses[0] / update.tokens, sums.losses[1] / update.tokens
    parts.controller.update(mean_kl, valid)
    parts.counters.record(update.number + 1, mean_nll, valid, sums.nonfinite)
    return Made(sums, coefficient, learning_rate, grad_norm)


def read_metrics(
    parts: Components, update: Update, made: Made, state: TrainState, speed: _Speed
) -> StepMetrics:
    """The update's metrics on the host: waits for the device, once."""
    on_device = torch.stack([*made.sums.losses, made.coefficient, made.grad_norm])
    counters = parts.counters.tensor()
    values = torch.cat([on_device.to(counters), counters]).tolist()
    nll, kl, anchor_kl, coefficient, grad_norm, *counted = values
    return StepMetrics(
        step=state.step,
        nll=nll / update.tokens,
        kl=kl / update.tokens,
        anchor_kl=anchor_kl / max(update.anchor_tokens, 1),
        coefficient=coefficient,
        learning_rate=made.learning_rate,
        grad_norm=grad_norm,
        tokens=state.tokens,
        tokens_per_second=speed.since_last(state.tokens),
        counts=parts.counters.counts(counted),
    )


class _Speed:
    """Tokens per second between two reads of the device, each of which waits for all queued
    work."""

    def __init__(self, tokens: int) -> None:
        self._tokens, self._at = tokens, time.perf_counter()

    def since_last(self, tokens: int) -> float:
        now = time.perf_counter()
        speed = (tokens - self._tokens) / (now - self._at)
        self._tokens, self._at = tokens, now
        return speed


class _Share(NamedTuple):
    """Rows of one micro-batch of this process; `kl_places`: those of `chosen`, by place, that KL is
    read on, None for all."""

    rows: PackedRows
    chosen: list[int]
    anchor: bool
    kl_places: list[int] | None = None

    @property
    def read(self) -> list[int]:
        """The rows that KL is read on."""
        if self.kl_places is None:
            return self.chosen
        return [self.chosen[place] for place in self.kl_places]

    def batch(self) -> Batch:
        """A share without rows is a row that counts for nothing: where the base is sharded, every
        process makes every pass, or the others would wait."""
        if self.chosen:
            return self.rows.batch(self.chosen)
        spare = self.rows.batch([0])
        return spare._replace(targets=torch.full_like(spare.targets, IGNORE_INDEX))


def _shares(parts: Components, order: RowOrder, update: Update, rank: int) -> list[_Share]:
    """This process's micro-batches of an update, as many as every other has."""
    shares = [
        _Share(parts.rows, chosen, anchor=False, kl_places=update.kl_places(chosen))
        for chosen in order.micro_batches(update.number, rank)
    ]
    if parts.anchor:
        added = order.spread(parts.anchor.order.update(update.number), rank)
        shares += [_Share(parts.anchor.rows, chosen, anchor=True) for chosen in added]
    return shares


def _micro_batch(
    parts: Components, update: Update, share: _Share, device: torch.device
) -> MicroBatch:
    batch = share.batch().to(device)
    if share.anchor:
        return MicroBatch(batch, True, update.anchor_tokens)
    places, factor = share.kl_places, update.kl_factor
    if places == [] and parts.sharded:  # every process makes every pass; this counts for nothing
        places, factor = [0], 0.0
    return MicroBatch(batch, False, update.tokens, places, factor)


def _reference(parts: Components, share: _Share) -> Callable[[Batch], Tensor] | None:
    if parts.references is None or not (share.anchor or parts.references.of_style):
        return None
    return partial(parts.references, rows=share.read, anchor=share.anchor)
