"""CUDA's caching allocator, replayed: from bytes in use to bytes reserved from the GPU.

PyTorch takes segments from CUDA and hands out blocks of them (c10/cuda/CUDACachingAllocator.cpp,
default settings):

    request          rounded up to   segment it may come from
    <= 1 MiB         512 B           2 MiB, cut anywhere
    < 10 MiB         512 B           20 MiB, cut if more than 1 MiB is left
    >= 10 MiB        512 B           its size rounded up to 2 MiB, cut as above

The smallest free block that is large enough is taken; neighbours that are free become one. Segments
are kept, so holes between blocks are memory that the GPU no longer has for others.
"""

from __future__ import annotations

import bisect

from styledial.memory.trace import Event

MIB = 2**20
_SMALL, _SMALL_SEGMENT = MIB, 2 * MIB
_LARGE, _LARGE_SEGMENT = 10 * MIB, 20 * MIB


class _Block:
    __slots__ = ("address", "after", "before", "free", "size")

    def __init__(self, address: int, size: int) -> None:
        self.address, self.size, self.free = address, size, True
        self.before: _Block | None = None
        self.after: _Block | None = None


class Allocator:
    """`reserved` and `highest` in bytes; one operation costs a search in a sorted list."""

    def __init__(self) -> None:
        self.reserved = self.highest = 0
        self._next = 0
        self._pools: dict[bool, list[tuple[int, int, _Block]]] = {True: [], False: []}
        self._held: dict[int, _Block] = {}

    def take(self, key: int, size: int) -> None:
        """Hand out `size` bytes, a multiple of 512, under `key`."""
        if size == 0:
            return
        small = size <= _SMALL
        pool = self._pools[small]
        at = bisect.bisect_left(pool, (size, -1))
        block = pool.pop(at)[2] if at < len(pool) else self._segment(size, small)
        left = block.size - size
        if left >= 512 if small else left > _SMALL:
            rest = _Block(block.address + size, left)
            rest.before, rest.after = block, block.after
            if block.after:
                block.after.before = rest
            block.after, block.size = rest, size
            self._put(rest, small)
        block.free = False
        self._held[key] = block

    def give(self, key: int, small: bool) -> None:
        block = self._held.pop(key)
        block.free = True
        before, after = block.before, block.after
        if before and before.free:
            self._remove(before, small)
            before.size += block.size
            before.after = after
            if after:
                after.before = before
            block = before
        if after and after.free:
            self._remove(after, small)
            block.size += after.size
            block.after = after.after
            if after.after:
                after.after.before = block
        self._put(block, small)

    def _segment(self, size: int, small: bool) -> _Block:
        if small:
            size = _SMALL_SEGMENT
        elif size < _LARGE:
            size = _LARGE_SEGMENT
        else:
            size = -(-size // (2 * MIB)) * 2 * MIB
        self.reserved += size
        self.highest = max(self.highest, self.reserved)
        block = _Block(self._next, size)
        self._next += size + MIB  # segments don't touch
        return block

    def _put(self, block: _Block, small: bool) -> None:
        bisect.insort(self._pools[small], (block.size, block.address, block))

    def _remove(self, block: _Block, small: bool) -> None:
        pool = self._pools[small]
        pool.pop(bisect.bisect_left(pool, (block.size, block.address)))


def reserved(events: list[Event]) -> int:
    """Bytes that the allocator has reserved at the worst moment of these events."""
    allocator = Allocator()
    for event in events:
        if event.size > 0:
            allocator.take(event.id, event.size)
        elif event.size < 0:
            allocator.give(event.id, -event.size <= _SMALL)
    return allocator.highest
