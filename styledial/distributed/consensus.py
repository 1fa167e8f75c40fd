"""Agreement between ranks over the CPU process group, without waiting for the device.

Out-of-memory errors and signals reach one rank and concern all. The ranks exchange them over a gloo
group, on the CPU, while the devices keep working. With one process there is no communication.

Gradients are summed here too, once an update, after all its micro-batches and after it is sure
that no rank has failed; DDP would begin to sum in the middle of the last backward pass, and the
other ranks would wait there for ever for one that has run out of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_SUMMED_AT_ONCE = 1 << 24  # elements of gradients, in fp32
BUFFER_BYTES = 4 * _SUMMED_AT_ONCE


class Consensus:
    """Between `processes` processes; the default process group must exist if that is above 1."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._buffer: Tensor | None = None
        self._group: Any = None
        if processes > 1:
            self._group = torch.distributed.new_group(backend="gloo")

    def any(self, *asked: bool) -> list[bool]:
        """For each of `asked`, whether any process says yes. Cost: one round trip of the hosts."""
        if self._group is None:
            return list(asked)
        flags = torch.tensor(asked, dtype=torch.int32)
        torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX, group=self._group)
        return [bool(flag) for flag in flags.tolist()]

    def gather(self, value: Any) -> list[Any]:
        """Every process's `value`, by rank."""
        if self._group is None:
            return [value]
        found: list[Any] = [None] * self.processes
        torch.distributed.all_gather_object(found, value, group=self._group)
        return found

    def share_from_first(self, parameters: Sequence[Tensor]) -> None:
        """Give every rank the first one's values, as DDP does when it begins. They are the same
        wherever all ranks have drawn the same random numbers; where one hasn't, each would go on
        with an adapter of its own."""
        if self._group is None:
            return
        for parameter in parameters:
            torch.distributed.broadcast(parameter.detach(), src=0)

    def reserve(self, parameters: Sequence[Tensor]) -> None:
        """Take the memory that `sum_gradients` needs: at most 64 MiB, once."""
        if self._group is not None and self._buffer is None:
            size = min(_SUMMED_AT_ONCE, sum(p.numel() for p in parameters))
            self._buffer = torch.empty(size, dtype=torch.float32, device=parameters[0].device)

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace each gradient by its sum over the processes, in fp32, in a fixed order."""
        if self._group is None:
            return
        self.reserve(parameters)
        buffer = self._buffer
        assert buffer is not None
        waiting: list[Tensor] = []
        filled = 0
        for parameter in parameters:
            if parameter.grad is None:  # the others may have one
                parameter.grad = torch.zeros_like(parameter)
            for piece in parameter.grad.view(-1).split(len(buffer)):
                if filled + piece.numel() > len(buffer):
                    _sum(buffer, waiting)
                    waiting, filled = [], 0
                waiting.append(piece)
                filled += piece.numel()
        _sum(buffer, waiting)


def _sum(buffer: Tensor, pieces: list[Tensor]) -> None:
    size = sum(piece.numel() for piece in pieces)
    parts = buffer[:size].split([piece.numel() for piece in pieces])
    for part, piece in zip(parts, pieces, strict=True):
        part.copy_(piece)
    torch.distributed.all_reduce(buffer[:size])
    for part, piece in zip(parts, pieces, strict=True):
        piece.copy_(part)
