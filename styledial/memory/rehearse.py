"""A later update of the run, run for real on tensors without data.

    optimizer on zero gradients                      its state is allocated
    micro-batch, one more, optimizer

From its second update on a run holds the optimizer's state, and every micro-batch but the first
also the gradients of those before: nothing needs more. The second one is of style text where
gradients are accumulated, else of anchor text, if there is any; a micro-batch of anchor text is
never the larger one. `thorough` makes the whole update as it is, and one before it; the peak is
the same.

Layers of one kind are traced once (shorten.py, repeat.py), and micro-batches of one kind
(second.py); with `whole` or `thorough`, all are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from styledial.build.kl import build_controller
from styledial.build.model import build_optimizer, mixed_precision
from styledial.build.rows import ANCHOR_WEIGHT, anchor_rows, has_anchor
from styledial.data.pack import Batch
from styledial.memory import kernel_buffers, repeat, skeleton
from styledial.memory.second import Accumulated, add_second
from styledial.memory.shorten import layers_of
from styledial.memory.trace import GRAIN, Trace, Tracker
from styledial.models.policy import Policy
from styledial.training import step
from styledial.training.kl_sample import most_in
from styledial.training.objective import LossSettings, MicroBatch
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
    """As build_anchor and row_order.RowOrder distribute them."""
    training = config.training
    batch, accumulation = training.micro_batch, training.gradient_accumulation_steps
    if not has_anchor(config):
        return Rows(batch, 0, (False,) * accumulation, batch * accumulation)
    order = RowOrder(batch, batch, accumulation, processes, 0)
    held = list(range(anchor_rows(config, order.effective_batch)))
    shares = [order.spread(held, rank) for rank in range(processes)]
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
    whole: bool = False,
) -> Trace:
    """The trace of the step that `config` would train with, on `shape`'s model.

    `packed`: several texts in one row, with the mask that this needs. `whole` runs every layer and
    both micro-batches, for the same trace in several times the time; `thorough` also runs every
    micro-batch, of two updates. Costs a second and no more memory than the objects; the weights'
    storages have no data.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    policy, left_out = skeleton.build_skeleton(config, shape, dtype, short=not (whole or thorough))
    tracker = Tracker(GRAIN, kernel_buffers.on_gpu) if on_gpu else Tracker(1)
    with FakeTensorMode(), skeleton.packed_rows(packed):
        skeleton.materialise(policy, dtype)
        see_weights(policy, tracker)
        run = _Run(config, policy, tracker, rows, packed=packed, on_gpu=on_gpu)
        run.updates(thorough=thorough, whole=whole)
    # A copy: the model's end, when this returns, is no part of the step.
    trace = replace(tracker.trace, events=list(tracker.trace.events))
    if not left_out:
        return trace
    try:
        return repeat.with_layers(trace, left_out)
    except repeat.Irregular:
        return rehearse(
            config, shape, dtype=dtype, on_gpu=on_gpu, rows=rows, packed=packed, whole=True
        )


def see_weights(policy: Policy, tracker: Tracker) -> None:
    """Count what is there before the first step, each storage as its layer's."""
    layers = {
        id(tensor): number
        for number, layer in layers_of(policy)
        for tensor, _ in skeleton.weights_in(layer, is_adapter=policy.is_adapter)
    }
    for tensor, kind in skeleton.weights_of(policy):
        tracker.layer = layers.get(id(tensor))
        tracker.see(tensor, "weights", kind)
    tracker.layer = None


class _Run:
    """The parts of training as far as a step needs them, on fake tensors."""

    def __init__(
        self,
        config: Config,
        policy: Policy,
        tracker: Tracker,
        rows: Rows,
        *,
        packed: bool,
        on_gpu: bool,
    ) -> None:
        self.config, self.policy, self.tracker, self.rows = config, policy, tracker, rows
        self.packed = packed
        policy.train()
        self.weights = step.trained(policy)
        self.optimizer, _ = build_optimizer(config, policy, 10)
        # What CUDA would choose; fakes are asked on a CPU.
        self.foreach = True if on_gpu else None
        if on_gpu:
            for group in self.optimizer.param_groups:
                group["foreach"] = True
        self.coefficient = build_controller(config, torch.device("cpu")).coefficient
        training = config.training
        self.settings = LossSettings(
            training.kl_direction, training.masks_target, ANCHOR_WEIGHT, on_gpu
        )
        tell_layers(policy, tracker)
        self.wrapped = _Wrapped(policy, mixed_precision(policy, on_gpu=on_gpu))
        self.accumulated: list[Accumulated] = []
        for parameter in self.weights:
            parameter.register_post_accumulate_grad_hook(self.accumulate)

    def accumulate(self, parameter: torch.nn.Parameter) -> None:
        """Called once a gradient is in `.grad`."""
        tracker, gradient = self.tracker, parameter.grad
        assert gradient is not None
        tracker.see(gradient, "gradient", "gradients")
        storage = tracker.id_of(gradient)
        self.accumulated.append(
            Accumulated(storage, len(tracker.trace.events), tracker.layer_freed_in(storage))
        )

    def updates(self, *, thorough: bool, whole: bool) -> None:
        """Allocate the optimizer's state, then run the update that is traced. With `whole` the
        second micro-batch is run also where the first stands for it."""
        with self.tracker:
            if thorough:
                for anchor in self.rows.kinds:
                    self.micro_batch(anchor)
            else:
                self.tracker.phase, self.tracker.kind = "batch", "gradients"
                self.tracker.follows = True
                for parameter in self.weights:
                    parameter.grad = torch.empty_like(parameter)
            self.optimizer_step()
            self.accumulated.clear()
            trace = self.tracker.trace
            trace.flops.clear()
            kinds = self.rows.kinds if thorough else self.rows.kinds[:2]
            start = len(trace.events)
            self.micro_batch(kinds[0])
            trace.micro_flops = dict(trace.flops)
            alike = not whole and kinds[1:] == kinds[:1]
            if not (alike and add_second(trace, start, self.accumulated)):
                for anchor in kinds[1:]:
                    self.micro_batch(anchor)
            self.optimizer_step()

    def micro_batch(self, anchor: bool) -> None:
        self.phase("batch")
        self.tracker.follows = False
        count = self.rows.anchor if anchor else self.rows.style
        step.micro_batch(
            self.policy,
            self.wrapped,
            MicroBatch(
                _batch(count, self.config.data.max_length, self.packed),
                anchor,
                tokens=1,
                kl_rows=None if anchor else self.kl_rows(count),
            ),
            coefficient=self.coefficient,
            settings=self.settings,
            reference=self.reference if anchor or self.config.training.mode.reads_kl else None,
            backward=lambda loss: loss.backward(),
            phase=self.phase,
        )

    def kl_rows(self, count: int) -> list[int] | None:
        """The most rows of a micro-batch that KL is read on; None where it is on all of them."""
        share = self.config.training.kl_rows
        return None if share == 1 else list(range(most_in(count, share)))

    def optimizer_step(self) -> None:
        self.phase("optimizer")
        self.tracker.follows = True
        torch.nn.utils.clip_grad_norm_(
            self.weights, self.config.training.max_grad_norm, foreach=self.foreach
        )
        step.update(self.optimizer)

    def reference(self, batch: Batch) -> Tensor:
        return self.policy.reference(batch.input_ids, batch.position_ids)

    def phase(self, name: str) -> None:
        self.tracker.phase, self.tracker.layer = name, None
        self.tracker.kind = {"loss": "loss", "optimizer": "optimizer"}.get(name, "activations")


def tell_layers(policy: Policy, tracker: Tracker) -> None:
    """Hooks that say which layer is at work: forward, computed again, and backward."""

    def begin(number: int) -> None:
        tracker.layer = number

    def end(number: int, last: bool, result: Any) -> None:
        hidden = result[0] if isinstance(result, tuple) else result
        if hidden.requires_grad:
            hidden.register_hook(lambda gradient: begin(number))
        # Between two layers it is still the first one that gives its input back.
        if last and tracker.phase != "backward":
            tracker.layer = None

    layers = list(layers_of(policy))
    count = max((number for number, _ in layers), default=-1) + 1
    for number, layer in layers:
        layer.register_forward_pre_hook(lambda module, given, n=number: begin(n))
        layer.register_forward_hook(
            lambda module, given, result, n=number: end(n, n == count - 1, result)
        )


def _batch(rows: int, length: int, packed: bool) -> Batch:
    shape = (rows, length)
    ids, targets, positions = (torch.empty(shape, dtype=torch.long) for _ in range(3))
    return Batch(ids, targets, positions if packed else None)


class _Wrapped(torch.nn.Module):
    """The policy as accelerate prepares it: under autocast unless `mixed_precision` is "no"."""

    def __init__(self, policy: Policy, mixed_precision: str) -> None:
        super().__init__()
        self._inner = (policy,)  # in a tuple, nn.Module doesn't see it
        self._dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(mixed_precision)

    def forward(self, input_ids: Tensor, position_ids: Tensor | None) -> Tensor:
        (policy,) = self._inner
        if self._dtype is None:
            return policy(input_ids, position_ids)
        with torch.autocast("cpu", dtype=self._dtype):
            return policy(input_ids, position_ids).float()  # accelerate gives back fp32
