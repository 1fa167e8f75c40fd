"""A later update of the run, run for real on tensors without data.

    optimizer on gradients of nothing                its state comes into being
    micro-batch [, micro-batch], optimizer

From its second update on a run holds the optimizer's state, and with accumulation every
micro-batch but the first also the gradients of those before: nothing needs more. `thorough` makes
the first update a real one; the peak is the same, and the trace takes half as long again.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from styledial import build, step
from styledial.config import OFF
from styledial.data.pack import Batch
from styledial.memory import skeleton, within
from styledial.memory.trace import GRAIN, Trace, Tracker
from styledial.models.policy import Policy

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from styledial.config import Config


@dataclass(frozen=True)
class Rows:
    """Rows of the fullest micro-batch: of the user's text, and of anchor text."""

    style: int
    anchor: int


def rows_of(config: Config, processes: int = 1) -> Rows:
    """As build.build_anchor and trainer._rows_of share them out; the largest share counts."""
    batch = build.micro_batch_size(config)
    if config.data.anchor == OFF or config.training.kl_mode == OFF:
        return Rows(batch, 0)
    parts = config.training.gradient_accumulation_steps * processes
    return Rows(batch, math.ceil(build.anchor_rows(config, batch * parts) / parts))


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
    with FakeTensorMode(), skeleton.as_in_training(packed=packed, on_gpu=on_gpu):
        skeleton.materialise(policy, dtype)
        for tensor, kind in skeleton.weights_of(policy):
            tracker.see(tensor, "weights", kind)
        _run(config, policy, tracker, rows, packed, dtype, on_gpu, thorough)
    return tracker.trace


def _run(
    config: Config, policy: Policy, tracker: Tracker, rows: Rows, packed: bool,
    dtype: torch.dtype, on_gpu: bool, thorough: bool,
) -> None:  # fmt: skip
    policy.train()
    optimizer, _ = build.build_optimizer(config, policy, 10)
    if on_gpu:  # what CUDA would choose; fakes are asked on a CPU
        for group in optimizer.param_groups:
            group["foreach"] = True
    coefficient = build.build_controller(config, torch.device("cpu")).coefficient
    wrapped = _Wrapped(policy, tracker, _autocast(config, policy, dtype, on_gpu))
    reference = None if config.training.kl_mode == OFF else _Reference(policy, tracker)
    for parameter in step.trained(policy):
        parameter.register_post_accumulate_grad_hook(
            lambda p: tracker.see(p.grad, "gradient", "gradients")
        )

    def backward(loss: Tensor) -> None:
        tracker.phase, tracker.kind = "backward", "activations"
        loss.backward()

    def one() -> None:
        tracker.phase, tracker.kind = "batch", "activations"
        step.micro_batch(
            policy, wrapped, _batch(rows, config.data.max_length, packed), rows.style,
            reference=reference, coefficient=coefficient, tokens=1, anchor_tokens=1,
            anchor_weight=build.ANCHOR_WEIGHT, direction=config.training.kl_direction,
            backward=backward,
        )  # fmt: skip

    def finish() -> None:
        tracker.phase, tracker.kind = "optimizer", "optimizer"
        step.update(policy, optimizer, _clip(config.training.max_grad_norm, on_gpu))

    with tracker:
        if thorough:
            one()
        else:
            tracker.phase, tracker.kind = "batch", "gradients"
            for parameter in step.trained(policy):
                parameter.grad = torch.empty_like(parameter)
        finish()
        tracker.trace.flops.clear()
        one()
        tracker.trace.micro_flops = dict(tracker.trace.flops)
        if config.training.gradient_accumulation_steps > 1:
            one()
        finish()


def _clip(limit: float, on_gpu: bool) -> Callable[[list[torch.nn.Parameter]], Tensor]:
    return lambda parameters: torch.nn.utils.clip_grad_norm_(
        parameters, limit, foreach=True if on_gpu else None
    )


def _batch(rows: Rows, length: int, packed: bool) -> Batch:
    shape = (rows.style + rows.anchor, length)
    positions = torch.empty(shape, dtype=torch.long) if packed else None
    return Batch(*(torch.empty(shape, dtype=torch.long) for _ in range(2)), positions)


def _autocast(config: Config, policy: Policy, dtype: torch.dtype, on_gpu: bool) -> Any:
    """As accelerate wraps the forward where build.mixed_precision asks for it."""
    half = on_gpu and dtype != torch.float32
    if half and (dtype == torch.float16 or not policy.is_adapter):
        return lambda: torch.autocast("cpu", dtype=dtype)
    return contextlib.nullcontext


class _Wrapped(torch.nn.Module):
    """The policy as accelerate prepares it; tells the tracker which phase this is."""

    def __init__(self, policy: Policy, tracker: Tracker, autocast: Any) -> None:
        super().__init__()
        self._inner = (policy, tracker, autocast)

    def forward(self, input_ids: Tensor, position_ids: Tensor | None) -> Tensor:
        policy, tracker, autocast = self._inner
        tracker.phase, tracker.kind = "forward", "activations"
        with autocast():
            hidden = policy(input_ids, position_ids)
        if autocast is not contextlib.nullcontext:
            hidden = hidden.float()  # accelerate gives back fp32
        tracker.phase, tracker.kind = "loss", "loss"
        return hidden


class _Reference:
    def __init__(self, policy: Policy, tracker: Tracker) -> None:
        self.policy, self.tracker = policy, tracker

    def __call__(self, batch: Batch) -> Tensor:
        self.tracker.phase, self.tracker.kind = "reference", "activations"
        return self.policy.reference(batch.input_ids, batch.position_ids)
