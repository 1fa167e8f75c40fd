"""A later update of the run, run for real on tensors without data.

    optimizer on gradients of nothing                its state comes into being
    micro-batch, one more, optimizer

From its second update on a run holds the optimizer's state, and every micro-batch but the first
also the gradients of those before: nothing needs more. The second one is of style text where
gradients are accumulated, else of anchor text, if there is any; a micro-batch of anchor text is
never the larger one. `thorough` makes the whole update as it is, and one before it; the peak is
the same.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from styledial.build.kl import ANCHOR_WEIGHT, anchor_rows, build_controller
from styledial.build.model import build_optimizer
from styledial.config import OFF
from styledial.data.pack import Batch
from styledial.memory import skeleton, within
from styledial.memory.trace import GRAIN, Trace, Tracker
from styledial.models.policy import Policy
from styledial.training import step
from styledial.training.row_order import RowOrder

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from styledial.config import Config


@dataclass(frozen=True)
class Rows:
    """Rows of a micro-batch of the user's text, and of the fullest of anchor text.

    kinds: the micro-batches of an update on one process, True for anchor text; per_update: the
    rows in them, of the average process.
    """

    style: int
    anchor: int
    kinds: tuple[bool, ...]
    per_update: float


def rows_of(config: Config, processes: int = 1) -> Rows:
    """As build_anchor and order.RowOrder share them out."""
    training = config.training
    batch, accumulation = training.micro_batch, training.gradient_accumulation_steps
    if config.data.anchor == OFF or training.kl_mode == OFF:
        return Rows(batch, 0, (False,) * accumulation, batch * accumulation)
    order = RowOrder(batch, batch, accumulation, processes, 0)
    held = list(range(anchor_rows(config, order.effective_batch)))
    shares = [order.shared_out(held, rank) for rank in range(processes)]
    largest = max(len(share) for of_rank in shares for share in of_rank)
    kinds = (False,) * accumulation + (True,) * len(shares[0])
    return Rows(batch, largest, kinds, batch * accumulation + len(held) / processes)


def rehearse(
    config: Config,
    shape: PretrainedConfig,
    *,
    dtype: torch.dtype,
    on_gpu: bool,
    rows: Rows,
    packed: bool,
    thorough: bool = False,
) -> Trace:
    """The trace of the step that `config` would train with, on `shape`'s model.

    `packed`: several texts in one row, with the mask that this needs. Costs a few seconds for a
    7B and no more memory than the objects; the weights' storages have no data.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    policy = skeleton.build_skeleton(config, shape, dtype)
    tracker = Tracker(GRAIN if on_gpu else 1, within.on_gpu if on_gpu else within.on_cpu)
    gc.freeze()  # the collector leaves alone what is there already: a tenth of the time and more
    try:
        with FakeTensorMode(), skeleton.as_in_training(packed=packed, on_gpu=on_gpu):
            skeleton.materialise(policy, dtype)
            for tensor, kind in skeleton.weights_of(policy):
                tracker.see(tensor, "weights", kind)
            _run(config, policy, tracker, rows, packed, dtype, on_gpu, thorough)
    finally:
        gc.unfreeze()
    return tracker.trace


def _run(
    config: Config, policy: Policy, tracker: Tracker, rows: Rows, packed: bool,
    dtype: torch.dtype, on_gpu: bool, thorough: bool,
) -> None:  # fmt: skip
    policy.train()
    optimizer, _ = build_optimizer(config, policy, 10)
    if on_gpu:  # what CUDA would choose; fakes are asked on a CPU
        for group in optimizer.param_groups:
            group["foreach"] = True
    coefficient = build_controller(config, torch.device("cpu")).coefficient
    wrapped = _Wrapped(policy, _autocast(policy, dtype, on_gpu))
    for parameter in step.trained(policy):
        parameter.register_post_accumulate_grad_hook(
            lambda p: tracker.see(p.grad, "gradient", "gradients")
        )

    def phase(name: str) -> None:
        tracker.phase = name
        tracker.kind = {"loss": "loss", "optimizer": "optimizer"}.get(name, "activations")

    def reference(batch: Batch) -> Tensor:
        return policy.reference(batch.input_ids, batch.position_ids)

    def one(anchor: bool) -> None:
        phase("batch")
        count = rows.anchor if anchor else rows.style
        step.micro_batch(
            policy, wrapped, _batch(count, config.data.max_length, packed), anchor=anchor,
            reference=None if config.training.kl_mode == OFF else reference,
            coefficient=coefficient, tokens=1, anchor_weight=ANCHOR_WEIGHT,
            direction=config.training.kl_direction, backward=lambda loss: loss.backward(),
            phase=phase,
        )  # fmt: skip

    def finish() -> None:
        phase("optimizer")
        step.update(policy, optimizer, _clip(config.training.max_grad_norm, on_gpu))

    with tracker:
        if thorough:
            for anchor in rows.kinds:
                one(anchor)
        else:
            tracker.phase, tracker.kind = "batch", "gradients"
            for parameter in step.trained(policy):
                parameter.grad = torch.empty_like(parameter)
        finish()
        tracker.trace.flops.clear()
        for number, anchor in enumerate(rows.kinds if thorough else rows.kinds[:2]):
            one(anchor)
            if number == 0:
                tracker.trace.micro_flops = dict(tracker.trace.flops)
        finish()


def _clip(limit: float, on_gpu: bool) -> Callable[[list[torch.nn.Parameter]], Tensor]:
    return lambda parameters: torch.nn.utils.clip_grad_norm_(
        parameters, limit, foreach=True if on_gpu else None
    )


def _batch(rows: int, length: int, packed: bool) -> Batch:
    shape = (rows, length)
    ids, targets, positions = (torch.empty(shape, dtype=torch.long) for _ in range(3))
    return Batch(ids, targets, positions if packed else None)


def _autocast(policy: Policy, dtype: torch.dtype, on_gpu: bool) -> Any:
    """As accelerate wraps the forward where mixed_precision asks for it."""
    if on_gpu and (dtype == torch.float16 or (dtype != torch.float32 and not policy.is_adapter)):
        return lambda: torch.autocast("cpu", dtype=dtype)
    return None


class _Wrapped(torch.nn.Module):
    """The policy as accelerate prepares it."""

    def __init__(self, policy: Policy, autocast: Any) -> None:
        super().__init__()
        self._inner = (policy, autocast)

    def forward(self, input_ids: Tensor, position_ids: Tensor | None) -> Tensor:
        policy, autocast = self._inner
        if autocast is None:
            return policy(input_ids, position_ids)
        with autocast():
            return policy(input_ids, position_ids).float()  # accelerate gives back fp32
