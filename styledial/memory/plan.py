"""Peak memory and speed of a run, estimated from its configuration alone.

    config -> skeleton (shapes) -> rehearse (the real step on fakes) -> trace
           -> allocator (reserved) + extras -> Plan

See docs/memory.md for what is measured, what is assumed and how far off it has been.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from styledial.build.rows import shares_rows, writes_anchor
from styledial.language import say
from styledial.libraries import uncollected
from styledial.memory import skeleton
from styledial.memory.allocator import reserved
from styledial.memory.extras import extras
from styledial.memory.gpus import Card
from styledial.memory.rehearse import Rows, rehearse, rows_of
from styledial.memory.sampling import sampling_bytes
from styledial.memory.trace import Trace, peak
from styledial.models.configuration import model_config
from styledial.models.limits import check_length
from styledial.models.load import weights_dtype
from styledial.progress import stage

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from styledial.config import Config

KINDS = ("weights", "adapter", "optimizer", "gradients", "activations", "loss")
# Part of a card's published speed that a step is assumed to reach; not measured on a GPU.
UTILISATION = 0.35


@dataclass(frozen=True)
class Plan:
    """All sizes in bytes.

    allocated: tensors in use at the worst moment; reserved: what the allocator holds by then;
    extras: what comes on top, by name (`allocator` is reserved - allocated); total: all of it.
    breakdown: `allocated` by kind. peak_phase is batch, reference, forward, loss, backward,
    optimizer or sampling (of anchor text). flops: of one update on one process, products alone.
    """

    allocated: int
    reserved: int
    extras: dict[str, int]
    breakdown: dict[str, int]
    peak_phase: str
    peak_op: str
    dtype: str
    rows: int
    tokens_per_update: int
    flops: float

    @property
    def total(self) -> int:
        """Bytes of the GPU that the run needs: tensors and extras."""
        return self.allocated + sum(self.extras.values())

    def seconds_per_update(self, card: Card) -> float | None:
        """At UTILISATION of the card's published speed; None for a card of unknown speed."""
        if not card.tflops:
            return None
        return self.flops / (card.tflops * 1e12 * UTILISATION)

    def to_json(self) -> dict[str, Any]:
        """The content of plan.json."""
        return {
            "allocated_bytes": self.allocated,
            "reserved_bytes": self.reserved,
            "extras": self.extras,
            "total_bytes": self.total,
            "breakdown": self.breakdown,
            "peak_phase": self.peak_phase,
            "peak_op": self.peak_op,
            "dtype": self.dtype,
            "rows_per_micro_batch": self.rows,
            "tokens_per_update": self.tokens_per_update,
            "flops_per_update": self.flops,
        }


def plan(
    config: Config,
    *,
    card: Card | None = None,
    device: str = "cuda",
    processes: int = 1,
    packed: bool | None = None,
    layers: int | None = None,
    thorough: bool = False,
    whole: bool = False,
) -> Plan:
    """What training as `config` says will need at its worst moment.

    `card` settles the precision of `dtype: auto` and the size of cuBLAS's workspace. `device`
    "cpu", or the memory of a machine for a card, plans for a CPU, with nothing but the tensors in
    use. `packed`: whether rows hold several texts; None takes the worse case that the configuration
    allows. `layers` plans a model of so many layers; `whole` traces each of them, also where one
    stands for many.
    Costs one to three seconds of a core, no GPU, no weights and, for the guide's six, no network.
    Raises UserError as training would.
    """
    on_gpu = device == "cuda" and (card is None or card.is_gpu)
    dtype = weights_dtype(config.model.dtype, on_gpu=on_gpu, bf16=card is None or card.bf16)
    shape = _shape(config, layers)
    rows = rows_of(config, processes)
    if packed is None:
        packed = shares_rows(config)
    with stage(say("planning the memory", "估算显存")), uncollected():
        trace = rehearse(
            config,
            shape,
            dtype=dtype,
            on_gpu=on_gpu,
            rows=rows,
            packed=packed,
            thorough=thorough,
            whole=whole,
        )
        worst = _worst_moment(config, shape, dtype, trace, on_gpu)
    tokens = rows.style * config.data.max_length * processes
    return Plan(
        allocated=worst.allocated,
        reserved=worst.reserved,
        extras=extras(
            on_gpu=on_gpu,
            hopper=bool(card and card.hopper),
            processes=processes,
            quantised=config.model.load_in_4bit or config.model.load_in_8bit,
            holes=worst.reserved - worst.allocated,
        ),
        breakdown=worst.breakdown,
        peak_phase=worst.phase,
        peak_op=worst.operation,
        dtype=str(dtype).removeprefix("torch."),
        rows=rows.style,
        tokens_per_update=tokens * config.training.gradient_accumulation_steps,
        flops=_of_update(config, rows, sum(trace.micro_flops.values())),
    )


def _of_update(config: Config, rows: Rows, micro: int) -> float:
    """Operations of an update on one process, from those of a micro-batch of style text.

    An anchor row always needs the base, a style row as far as KL is read on it: of passes over a
    token, forward, backward and those that are recomputed, that is one more.
    """
    training = config.training
    without = 2 + training.recomputed
    with_base = without + (training.kl_rows if training.mode.reads_kl else 0)
    style = rows.style * training.gradient_accumulation_steps
    anchor = (rows.per_update - style) * (without + 1) / with_base
    return micro / rows.style * (style + anchor)


def _shape(config: Config, layers: int | None) -> PretrainedConfig:
    """The base's configuration, cut to so many layers; UserError where its rows are too long."""
    model = config.model
    shape = model_config(model.model_name_or_path, trust_remote_code=model.trust_remote_code)
    check_length(shape, model.model_name_or_path, config.data.max_length)
    if layers is not None:
        skeleton.cut(shape, layers)
    return shape


class _Moment(NamedTuple):
    """Bytes in use, by kind, and held by the allocator; where in the run, and by what."""

    allocated: int
    reserved: int
    breakdown: dict[str, int]
    phase: str
    operation: str


def _worst_moment(
    config: Config, shape: PretrainedConfig, dtype: torch.dtype, trace: Trace, on_gpu: bool
) -> _Moment:
    """That of an update, or of the base writing its anchor text, whichever needs more."""
    worst = peak(trace)
    held = reserved(trace.events) if on_gpu else worst.bytes
    breakdown = {kind: worst.by_kind.get(kind, 0) for kind in KINDS}
    used, held_sampling = _sampling(config, shape, dtype, trace, on_gpu)
    if held_sampling <= held:
        return _Moment(worst.bytes, held, breakdown, worst.phase, worst.operation)
    sampling = dict.fromkeys(KINDS, 0)
    for kind in ("weights", "adapter"):
        sampling[kind] = breakdown[kind]
    sampling["activations"] = used - sum(sampling.values())
    return _Moment(used, held_sampling, sampling, "sampling", "generate")


def _sampling(
    config: Config, shape: PretrainedConfig, dtype: torch.dtype, trace: Trace, on_gpu: bool
) -> tuple[int, int]:
    """(in use, reserved) while the base writes its anchor text; zeros where it doesn't."""
    if not writes_anchor(config):
        return 0, 0
    weights = sum(s.size for s in trace.storages if s.kind in ("weights", "adapter"))
    return sampling_bytes(shape, config.data.max_length, dtype.itemsize, weights, on_gpu)
