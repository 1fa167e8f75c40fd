"""Sharded tensors (torch's DTensor) and plain ones alike: whole, this process's part, and back."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def is_sharded(tensor: Tensor) -> bool:
    """Whether each process holds a part of it."""
    return hasattr(tensor, "device_mesh")


def model_is_sharded(model: nn.Module) -> bool:
    """Whether the model is sharded over the processes, which then have to run it together."""
    return any(map(is_sharded, model.parameters()))


def full_tensor(tensor: Tensor) -> Tensor:
    """All of it, gathered: all processes have to call this. A plain tensor is itself."""
    return tensor.full_tensor() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def local_tensor(tensor: Tensor) -> Tensor:
    """What lies on this process, as a view; perhaps nothing. A plain tensor is itself."""
    return tensor.to_local() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def sharded_like(value: Any, tensor: Tensor) -> Any:
    """`value`, the same on all processes, sharded as `tensor` is, if it has the same shape."""
    if not (isinstance(value, Tensor) and is_sharded(tensor) and value.shape == tensor.shape):
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(tensor, DTensor)
    return distribute_tensor(value.to(tensor.device), tensor.device_mesh, tensor.placements)


def replicated_like(value: Tensor, tensor: Tensor) -> Tensor:
    """`value`, the same on all processes, as a kernel wants it beside `tensor`."""
    if not is_sharded(tensor):
        return value
    from torch.distributed.tensor import DTensor, Replicate

    assert isinstance(tensor, DTensor)
    return DTensor.from_local(value, tensor.device_mesh, [Replicate()], run_check=False)


def full_state_dict(optimizer: Any) -> dict[str, Any]:
    """The optimizer's state with full tensors; all processes have to call this."""
    state = optimizer.state_dict()
    moments = {
        index: {key: full_tensor(v) if isinstance(v, Tensor) else v for key, v in values.items()}
        for index, values in state["state"].items()
    }
    return {**state, "state": moments}


def load_full_state_dict(optimizer: Any, state: dict[str, Any]) -> None:
    """Take what `full_state_dict` gave, however the parameters are sharded now."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    moments = {
        index: {key: sharded_like(v, parameters[index]) for key, v in values.items()}
        for index, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": moments})
