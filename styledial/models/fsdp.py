"""The base sharded over the processes: FSDP2, through accelerate.

    decoder layer k    each process keeps 1/n of it; the layer is gathered while it runs
    embedding          likewise, where it is not the head as well
    final norm, head   whole on every process: the loss reads the head again and again

The adapter's weights lie in the layers, so they, their gradients and their optimizer's state are
sharded too. Whatever runs the model, all processes have to run it together: a gathering is a
collective.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from styledial.distributed.ranks import Place
from styledial.distributed.sharded_tensors import local_tensor, model_is_sharded
from styledial.errors import UserError
from styledial.models.policy import Policy
from styledial.models.quantise import is_quantised
from styledial.models.text_part import adapts_experts

if TYPE_CHECKING:
    from accelerate import Accelerator, FullyShardedDataParallelPlugin

# `auto` shards a base that would take more than this part of a GPU's memory.
_MOST = 0.5


def is_wanted(setting: str, policy: Policy, here: Place) -> bool:
    """Whether to shard, by `training.fsdp`; the same answer on all processes, which must have met.

    `auto` shards an unquantised base under an adapter where it needs more than half of the
    smallest GPU.
    """
    if setting == "on":
        return True
    quantised = is_quantised(policy.causal_lm)
    if adapts_experts(policy):  # which changes weights on the way, where shards have none
        return False
    if not _may(setting, here, is_adapter=policy.is_adapter, quantised=quantised):
        return False
    large = False
    if torch.cuda.is_available():
        large = _is_large(base_bytes(policy), torch.cuda.mem_get_info()[1])
    found: list[Any] = [None] * here.count
    torch.distributed.all_gather_object(found, large)
    return any(found)


def will_shard(
    setting: str, here: Place, *, is_adapter: bool, quantised: bool, weights: int, memory: int
) -> bool:
    """What `is_wanted` will say of a run whose base takes `weights` bytes, on a GPU of `memory`."""
    may = _may(setting, here, is_adapter=is_adapter, quantised=quantised)
    return setting == "on" or (may and _is_large(weights, memory))


def _may(setting: str, here: Place, *, is_adapter: bool, quantised: bool) -> bool:
    return setting != "off" and here.count > 1 and is_adapter and not quantised


def _is_large(weights: int, memory: int) -> bool:
    return weights > _MOST * memory


def make_accelerator(
    policy: Policy, mixed_precision: str, *, sharded: bool, **more: Any
) -> Accelerator:
    """accelerate's view of the run; `prepare` then shards. Raises UserError where it can't.

    `more` goes to Accelerator as it is, such as what trackers need.
    """
    from accelerate import Accelerator
    from accelerate.utils import DistributedType

    # accelerate takes several CPU processes for one unless it is told that this is a CPU run.
    on_cpu = not torch.accelerator.is_available()
    plugin = _plugin(policy) if sharded else None
    accelerator = Accelerator(
        mixed_precision=mixed_precision, cpu=on_cpu, fsdp_plugin=plugin, **more
    )
    if sharded and on_cpu:
        # accelerate itself offers FSDP on accelerators only; torch's, which it calls, runs here.
        accelerator.state.distributed_type = DistributedType.FSDP
        accelerator.state.fsdp_plugin = plugin
    return accelerator


def prepare(accelerator: Accelerator, policy: Policy, optimizer: Any) -> Any:
    """Shard `policy` in place and give `optimizer` the shards; returns it as accelerate has it."""
    for module in accelerator.state.fsdp_plugin.ignored_modules:
        module.to(accelerator.device)
    _, optimizer = accelerator.prepare(policy, optimizer)
    # The first pass tells the layers which of them is outermost: it has to go through all.
    with torch.no_grad():
        policy(torch.zeros(1, 2, dtype=torch.long, device=accelerator.device))
    return optimizer


def from_rank_0(value: float, policy: Policy) -> float:
    """Rank 0's `value` on all ranks of a sharded model, so that all take the same branch."""
    if not model_is_sharded(policy):
        return value
    values = [value]
    torch.distributed.broadcast_object_list(values, src=0)
    return values[0]


def record(policy: Policy) -> dict[str, int]:
    """For summary.json."""
    return {"base_bytes": base_bytes(policy), "base_bytes_here": bytes_here(policy)}


def base_bytes(policy: Policy) -> int:
    """What the frozen base takes, over all processes together."""
    return sum(p.numel() * p.element_size() for p in _frozen(policy))


def bytes_here(policy: Policy) -> int:
    """What this process holds of the frozen base between two passes."""
    return sum(part.numel() * part.element_size() for part in map(local_tensor, _frozen(policy)))


def _frozen(policy: Policy) -> list[Tensor]:
    return [p.detach() for p in policy.parameters() if not p.requires_grad]


def _plugin(policy: Policy) -> FullyShardedDataParallelPlugin:
    from accelerate import FullyShardedDataParallelPlugin

    units = _units(policy.causal_lm)
    inside = {id(p) for m in policy.modules() if type(m).__name__ in units for p in m.parameters()}
    outside = [
        m for m in policy.modules() if any(id(p) not in inside for p in m.parameters(recurse=False))
    ]
    if any(id(p) in inside or p.requires_grad for m in outside for p in m.parameters()):
        raise _no_layers(policy.causal_lm)
    return FullyShardedDataParallelPlugin(
        fsdp_version=2,
        reshard_after_forward=True,
        cpu_ram_efficient_loading=False,
        auto_wrap_policy="transformer_based_wrap",
        transformer_cls_names_to_wrap=units,
        ignored_modules=outside,
    )


def _units(model: nn.Module) -> list[str]:
    """Classes of the modules that are gathered one at a time."""
    present = {type(module).__name__ for module in model.modules()}
    names = sorted(present & set(getattr(model, "_no_split_modules", None) or ()))
    if not names:
        raise _no_layers(model)
    embedding: Any = model.get_input_embeddings()  # type: ignore[operator]
    head: Any = model.get_output_embeddings()  # type: ignore[operator]
    if embedding.weight is not head.weight:
        names.append(type(embedding).__name__)
    return names


def _no_layers(model: nn.Module) -> UserError:
    name = type(model).__name__
    return UserError(
        f"training.fsdp: {name} can't be sharded layer by layer, or model.lora_target_modules "
        "names weights outside its layers. Set fsdp: off, or train on its layers only "
        "(all-linear).",
        f"training.fsdp：{name} 无法逐层分片，或 model.lora_target_modules 包含层以外的权重。"
        "请设 fsdp: off，或只训练各层（all-linear）。",
    )
