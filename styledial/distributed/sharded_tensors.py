"""Tensors of which each process holds a part (torch's DTensor), and plain ones alike."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def is_part(tensor: Tensor) -> bool:
    return hasattr(tensor, "device_mesh")


def has_parts(model: nn.Module) -> bool:
    """Whether the model is shared out over processes, who then have to run it together."""
    return any(map(is_part, model.parameters()))


def whole(tensor: Tensor) -> Tensor:
    """All of it, gathered: all processes have to call this. A plain tensor is itself."""
    return tensor.full_tensor() if is_part(tensor) else tensor  # type: ignore[attr-defined]


def own_part(tensor: Tensor) -> Tensor:
    """What lies on this process, as a view; perhaps nothing. A plain tensor is itself."""
    return tensor.to_local() if is_part(tensor) else tensor  # type: ignore[attr-defined]


def parted_like(value: Any, tensor: Tensor) -> Any:
    """`value`, the same on all processes, parted as `tensor` is, if it has the same shape."""
    if not (isinstance(value, Tensor) and is_part(tensor) and value.shape == tensor.shape):
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(tensor, DTensor)
    return distribute_tensor(value.to(tensor.device), tensor.device_mesh, tensor.placements)


def everywhere_like(value: Tensor, tensor: Tensor) -> Tensor:
    """`value`, the same on all processes, as a kernel wants it beside `tensor`."""
    if not is_part(tensor):
        return value
    from torch.distributed.tensor import DTensor, Replicate

    assert isinstance(tensor, DTensor)
    return DTensor.from_local(value, tensor.device_mesh, [Replicate()], run_check=False)


def whole_state(optimizer: Any) -> dict[str, Any]:
    """The optimizer's state with whole tensors; all processes have to call this."""
    state = optimizer.state_dict()
    moments = {
        index: {key: whole(v) if isinstance(v, Tensor) else v for key, v in values.items()}
        for index, values in state["state"].items()
    }
    return {**state, "state": moments}


def load_state(optimizer: Any, state: dict[str, Any]) -> None:
    """Take what `whole_state` gave, however the parameters are parted now."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    moments = {
        index: {key: parted_like(v, parameters[index]) for key, v in values.items()}
        for index, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": moments})
