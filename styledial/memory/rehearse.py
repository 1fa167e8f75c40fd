"""A later update of the run, run for real on tensors without data.

    optimizer on gradients of nothing                its state comes into being
    micro-batch [, micro-batch], optimizer

From its second update on a run holds the optimizer's state, and with accumulation every
micro-batch but the first also the gradients of those before: nothing needs more. `thorough` makes
the first update a real one; the peak is the same, and the trace takes half as long again.
"""

from __future__ import annotations

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

    def one() -> None:
        phase("batch")
        step.micro_batch(
            policy, wrapped, _batch(rows, config.data.max_length, packed), rows.style,
            reference=None if config.training.kl_mode == OFF else reference,
            coefficient=coefficient, tokens=1, anchor_tokens=1,
            anchor_weight=build.ANCHOR_WEIGHT, direction=config.training.kl_direction,
            backward=lambda loss: loss.backward(), phase=phase,
        )  # fmt: skip

    def finish() -> None:
        phase("optimizer")
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
    ids, targets, positions = (torch.empty(shape, dtype=torch.long) for _ in range(3))
    return Batch(ids, targets, positions if packed else None)


def _autocast(policy: Policy, dtype: torch.dtype, on_gpu: bool) -> Any:
    """As accelerate wraps the forward where build.mixed_precision asks for it."""
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
