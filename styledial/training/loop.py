"""The training loop.

    for each update:
        for each micro-batch of style rows,          again with half the rows if memory runs out:
        then of anchor rows:                         stepdown.py
            reference hidden (adapter off)
            policy hidden    (adapter on)
            loss             (objective.py)
            backward         these four are step.py
        sum gradients over processes                 agree.py
        clip, step                                   not where a loss is no number: guards.py
        lambda <- controller(mean KL of the update)

Sums are normalised by the tokens of the whole update over all processes, so neither the size of
the micro-batch nor the number of processes changes the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from styledial.data.pack import IGNORE_INDEX, Batch, PackedRows
from styledial.distributed.consensus import Agreement
from styledial.distributed.sharded_tensors import everywhere_like, is_part, own_part, whole
from styledial.models.policy import Policy
from styledial.training import step
from styledial.training.checkpoint import TrainState
from styledial.training.losses import Direction
from styledial.training.nonfinite import Reading, Watch
from styledial.training.out_of_memory import reserve_state, with_step_down
from styledial.training.row_order import RowOrder


class Controller(Protocol):
    """Gives lambda (`coefficient`, a scalar tensor) and learns from each update's KL."""

    @property
    def coefficient(self) -> Tensor: ...
    def update(self, kl: Tensor) -> None: ...
    def calibrate(self, heldout_kl: float) -> None: ...
    def state_dict(self) -> dict[str, float]: ...
    def load_state_dict(self, state: dict[str, float]) -> None: ...


class References(Protocol):
    """Gives the base's hidden states [B, T, d] of a batch made of these style or anchor rows."""

    def __call__(self, batch: Batch, rows: list[int], *, anchor: bool) -> Tensor: ...


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
    watch: Reading


@dataclass(frozen=True)
class Anchor:
    """General rows on which the tuned model is held to the base: see docs/kl_beta.md.

    `per_update` rows are added to each update, in micro-batches of their own.
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
    agreement: Agreement,
    optimizer: torch.optim.Optimizer,
    scheduler: Any,
    controller: Controller,
    watch: Watch,
    state: TrainState,
    total_steps: int,
    direction: Direction,
    max_grad_norm: float,
    anchor: Anchor | None = None,
    references: References | None = None,
    log_every: int = 1,
    stop_asked: Callable[[], bool] = lambda: False,
    on_step_down: Callable[[RowOrder], None] = lambda order: None,
    on_log: Callable[[StepMetrics], None] = lambda metrics: None,
    after_step: Callable[[TrainState, bool], bool] = lambda state, stop: not stop,
    phase: Callable[[str], None] = lambda name: None,
) -> TrainState:
    """Run updates state.step .. total_steps; `state` moves with them and is returned.

    `wrapped` is the policy as accelerate prepared it; it alone takes the forward that needs
    gradients, and it doesn't sum them. `after_step` hears whether any process was asked to stop,
    and may save a checkpoint; the loop ends where it returns False. `phase` is told what begins.
    The device is read only when a metric is logged.

    Raises torch.OutOfMemoryError where not even one row fits.
    """
    device, rank = accelerator.device, accelerator.process_index
    weights = step.trained(policy)
    sharded = is_part(weights[0])  # then FSDP sums the gradients, as a mean over processes
    scale = accelerator.num_processes if sharded else 1
    raw: Any = getattr(optimizer, "optimizer", optimizer)  # under accelerate's wrapper
    state.effective_batch = order.effective_batch
    wrapped.train()
    logged_at, logged_tokens = time.perf_counter(), state.tokens
    while state.step < total_steps:
        started = time.perf_counter()
        tokens = sum(map(rows.targets_in, order.update(state.step)))
        anchor_tokens = _anchor_tokens(anchor, state.step)

        def attempt(
            order: RowOrder, tokens: int = tokens, anchor_tokens: int = anchor_tokens
        ) -> Tensor:
            """This process's gradients; its sums of nll, kl, anchor kl, and 1 for each
            micro-batch of the update whose loss is no number."""
            shares = _shares(rows, order, anchor, state.step, rank)
            seen = torch.zeros(3 + len(shares) * order.processes, device=device)
            for number, share in enumerate(shares):
                if not (share.chosen or sharded):
                    continue
                phase("data")
                sums = step.micro_batch(
                    policy, wrapped, share.batch().to(device), anchor=share.anchor,
                    reference=_reference(references, share), coefficient=controller.coefficient,
                    tokens=anchor_tokens if share.anchor else tokens,
                    anchor_weight=anchor.weight if anchor else 0.0, direction=direction,
                    backward=lambda loss: accelerator.backward(loss * scale), phase=phase,
                )  # fmt: skip
                seen[:3] += sums
                seen[3 + number * order.processes + rank] = ~torch.isfinite(sums).all()
            phase("optimizer")
            if not sharded:
                agreement.reserve(weights)
            reserve_state(optimizer)
            return seen

        def stepped_down(smaller: RowOrder) -> None:
            state.step_downs += 1
            on_step_down(smaller)

        order, seen, stop = with_step_down(
            attempt, order, agreement=agreement, drop=optimizer.zero_grad,
            stop_asked=stop_asked, tell=stepped_down, sharded=sharded,
        )  # fmt: skip
        state.micro_batch_size = order.batch_size
        if not sharded:
            agreement.sum_gradients(weights)
        seen = accelerator.reduce(seen, reduction="sum")
        sums = seen[:3]
        learning_rate = scheduler.get_last_lr()[0]
        coefficient = controller.coefficient.clone()

        def clip(
            weights: list[torch.nn.Parameter], seen: Tensor = seen, tokens: int = tokens
        ) -> Tensor:
            # A loss that is no number makes its gradient one too, so that one test is enough.
            own_part(weights[0].grad).view(-1)[:1].add_(seen[:3].sum() * 0)  # type: ignore[arg-type]
            norm = whole(accelerator.clip_grad_norm_(weights, max_grad_norm))
            skip = watch.update(state.step + 1, seen[0] / tokens, norm, seen[3:])
            # fp16's GradScaler sets its own when it steps, by the same gradients.
            raw.found_inf = everywhere_like(skip, weights[0])
            return norm

        grad_norm = step.update(policy, optimizer, clip)
        scheduler.step()
        # Of an update that wasn't made there is nothing to learn; the controller ignores NaN.
        controller.update(sums[1] / tokens + grad_norm * 0)
        state.step += 1
        state.tokens += tokens
        if state.step % log_every == 0 or state.step == total_steps:
            numbers = torch.stack([*sums, coefficient, grad_norm]).to(watch.values)
            nll, kl, anchor_kl, weight, norm, *watched = torch.cat(
                [numbers, watch.tensors()]
            ).tolist()
            reading = watch.reading(watched)
            state.skipped = reading.skipped
            # Reading waited for the device, so the clock covers all updates since.
            now = time.perf_counter()
            speed = (state.tokens - logged_tokens) / (now - logged_at)
            logged_at, logged_tokens = now, state.tokens
            on_log(
                StepMetrics(
                    state.step,
                    nll / tokens,
                    kl / tokens,
                    anchor_kl / max(anchor_tokens, 1),
                    weight,
                    learning_rate,
                    norm,
                    state.tokens,
                    speed,
                    reading,
                )  # fmt: skip
            )
        state.seconds += time.perf_counter() - started
        if not after_step(state, stop):
            break
    return state


class _Share(NamedTuple):
    """Rows of one micro-batch of this process."""

    rows: PackedRows
    chosen: list[int]
    anchor: bool

    def batch(self) -> Batch:
        """A share without rows is a row that counts for nothing: where the base is sharded, every
        process makes every pass, or the others would wait."""
        if self.chosen:
            return self.rows.batch(self.chosen)
        spare = self.rows.batch([0])
        return spare._replace(targets=torch.full_like(spare.targets, IGNORE_INDEX))


def _shares(
    rows: PackedRows, order: RowOrder, anchor: Anchor | None, step: int, rank: int
) -> list[_Share]:
    """This process's micro-batches of an update, as many as every other has."""
    style = [order.micro_batch(step, number, rank) for number in range(order.accumulation)]
    shares = [_Share(rows, chosen, anchor=False) for chosen in style]
    if anchor:
        held = order.shared_out(anchor.order.update(step), rank)
        shares += [_Share(anchor.rows, chosen, anchor=True) for chosen in held]
    return shares


def _reference(references: References | None, share: _Share) -> Callable[[Batch], Tensor] | None:
    if references is None:
        return None
    return lambda batch: references(batch, share.chosen, anchor=share.anchor)


def _anchor_tokens(anchor: Anchor | None, step: int) -> int:
    if anchor is None:
        return 0
    return sum(map(anchor.rows.targets_in, anchor.order.update(step)))
