"""A trace of allocations: every storage that an operation makes, and when it is freed.

Under FakeTensorMode tensors have shapes and storages but no data, so a step of a 14B model runs on
any machine. `Tracker` sees each operation above that mode:

    (+, 17, 29360128, "forward", aten.mm)     an operation made a storage
    (-, 17)                                   freed: nothing refers to it

`peaks` (bytes in use) and `allocator` (bytes reserved) depend on the events alone.
Each belongs to a layer of the model, or to none, which repeat.py makes use of. A storage's kind
(weights, gradients, ...) may be learnt later than its birth, so peaks are computed at the end. What
an operation allocates inside itself no mode sees: `within` tells.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

_DEVICE = torch.ops.prim.device.default
_VIEW, _UNSAFE_VIEW = torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default
# CUDA's allocator hands out multiples of this.
GRAIN = 512


class Event(NamedTuple):
    """Storage `id` of `size` bytes comes (size > 0) or goes (size < 0) during work on `layer`."""

    id: int
    size: int
    layer: int | None = None


@dataclass
class Storage:
    """phase: where in the step it was made; kind: what it turned out to be; layer: whose it is;
    joined: of one made of tensors of many layers, its exact bytes by layer."""

    size: int
    phase: str
    operation: str
    kind: str
    layer: int | None = None
    joined: dict[int | None, int] | None = None


@dataclass
class Trace:
    """What a Tracker recorded. grain: sizes are multiples of it; flops: of matrix products by
    layer; micro_flops: of one micro-batch."""

    grain: int = GRAIN
    events: list[Event] = field(default_factory=list)
    storages: list[Storage] = field(default_factory=list)
    flops: dict[int | None, int] = field(default_factory=dict)
    micro_flops: dict[int | None, int] = field(default_factory=dict)

    def rounded(self, size: int) -> int:
        """`size` bytes as they are counted."""
        return -(-size // self.grain) * self.grain


class Peak(NamedTuple):
    """bytes in use at the worst moment, by kind, and the phase and operation that made it."""

    bytes: int
    by_kind: dict[str, int]
    phase: str
    operation: str


class Tracker(TorchDispatchMode):
    """Records events while it is entered; `phase`, `kind` and `layer` label what comes next.

    With `follows` a result belongs to the layer of what it was made of: the optimizer knows no
    layers, only tensors of theirs.
    """

    def __init__(
        self, grain: int = GRAIN, within: Callable[[Any, tuple, Any], int] | None = None
    ) -> None:
        super().__init__()
        self.trace = Trace(grain)
        self.phase, self.kind = "build", "activations"
        self.layer: int | None = None
        self.follows = False
        self._within = within
        self._ids: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func is _DEVICE and isinstance(args[0], FakeTensor):
            return args[0].fake_device  # asked more often than all operations together
        if func is _UNSAFE_VIEW:
            func = _VIEW  # the same for storages, and known to the fakes' cache: 7 times as fast
        result = func(*args, **(kwargs or {}))
        name = _name(func)
        if self._within:
            inside = self._within(func, args, result)
            if inside:
                self._free(self._add(inside, name))
        if self.follows:
            self._see_results(args, result, name)
        else:
            for tensor in (result,) if isinstance(result, torch.Tensor) else tree_iter(result):
                if isinstance(tensor, torch.Tensor):
                    self.see(tensor, name)
        flops = _flops(name, args, result)
        if flops:
            self.trace.flops[self.layer] = self.trace.flops.get(self.layer, 0) + flops
        return result

    def see(self, tensor: torch.Tensor, operation: str = "", kind: str | None = None) -> None:
        """Count a tensor's storage from now on; one that is known may be given its kind."""
        storage = tensor.untyped_storage()
        key = id(storage)
        if key not in self._ids:
            number = self._add(storage.nbytes(), operation)
            self._ids[key] = number
            weakref.finalize(storage, self._gone, key)
        if kind is not None:
            self.trace.storages[self._ids[key]].kind = kind

    def _see_results(self, args: tuple, result: Any, name: str) -> None:
        """Each result in the layer of its source: the first tensor, or its place in a list."""
        many = next((a for a in args if isinstance(a, (list, tuple)) and a), ())
        sources = [t for t in many or args if isinstance(t, torch.Tensor)]
        if isinstance(result, torch.Tensor):
            known = id(result.untyped_storage()) in self._ids
            if many:
                self.layer = None
            elif sources:
                self.layer = self._layer_of(sources[0])
            self.see(result, name)
            if many and not known and name.startswith(("aten.stack", "aten.cat")):
                self.trace.storages[-1].joined = self._by_layer(sources)
            return
        made = [tensor for tensor in tree_iter(result) if isinstance(tensor, torch.Tensor)]
        for number, tensor in enumerate(made):
            if len(sources) == len(made):
                self.layer = self._layer_of(sources[number])
            self.see(tensor, name)

    def _layer_of(self, tensor: torch.Tensor) -> int | None:
        number = self._ids.get(id(tensor.untyped_storage()))
        return None if number is None else self.trace.storages[number].layer

    def _by_layer(self, tensors: list[torch.Tensor]) -> dict[int | None, int]:
        found: dict[int | None, int] = {}
        for tensor in tensors:
            layer = self._layer_of(tensor)
            found[layer] = found.get(layer, 0) + tensor.numel() * tensor.element_size()
        return found

    def _add(self, size: int, operation: str) -> int:
        size = self.trace.rounded(size)
        number = len(self.trace.storages)
        self.trace.storages.append(
            Storage(size, self.phase, operation, self.kind, layer=self.layer)
        )
        self.trace.events.append(Event(number, size, self.layer))
        return number

    def _gone(self, key: int) -> None:
        self._free(self._ids.pop(key))

    def _free(self, number: int) -> None:
        size = self.trace.storages[number].size
        self.trace.events.append(Event(number, -size, self.layer_freed_in(number)))

    def id_of(self, tensor: torch.Tensor) -> int:
        """The number of a storage that was seen."""
        return self._ids[id(tensor.untyped_storage())]

    def layer_freed_in(self, number: int) -> int | None:
        """The layer whose event it is if that storage is freed now."""
        storage = self.trace.storages[number]
        # What goes while no layer is at work is one of its own layer's events.
        if self.layer is None or self.follows or _far(self.layer, storage.layer):
            return storage.layer
        return self.layer


def _far(layer: int, other: int | None) -> bool:
    return other is not None and abs(layer - other) > 1


def peak(trace: Trace, start: int = 0) -> Peak:
    """The worst moment of a trace, looked for from event `start` on."""
    used, highest, at = 0, -1, 0
    for i, event in enumerate(trace.events):
        used += event.size
        if used > highest and event.size > 0 and i >= start:
            highest, at = used, i
    by_kind: dict[str, int] = {}
    for event in trace.events[: at + 1]:
        kind = trace.storages[event.id].kind
        by_kind[kind] = by_kind.get(kind, 0) + event.size
    made = trace.storages[trace.events[at].id]
    return Peak(highest, by_kind, made.phase, made.operation)


@cache
def _name(func: Any) -> str:
    return str(func)


_PRODUCTS = {
    "aten.mm.default", "aten.mm.dtype", "aten.mm.out", "aten.mm.dtype_out", "aten.bmm.default",
    "aten.addmm.default", "aten.addmm_.default", "bitsandbytes.gemm_4bit.default",
}  # fmt: skip


def _flops(name: str, args: tuple, result: Any) -> int:
    """2 m n k of a matrix product, and of attention's two; everything else counts as nothing."""
    if name in _PRODUCTS:
        first = args[1] if "addmm" in name else args[0]
        return 2 * result.numel() * first.shape[-1]
    if "scaled_dot_product" in name:
        backward = "backward" in name
        query, key = (args[1], args[2]) if backward else (args[0], args[1])
        return (10 if backward else 4) * query.numel() * key.shape[-2]
    return 0
