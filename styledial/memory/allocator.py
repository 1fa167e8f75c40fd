"""CUDA's caching allocator, replayed: from bytes in use to bytes reserved from the GPU.

PyTorch takes segments from CUDA and hands out blocks of them (c10/cuda/CUDACachingAllocator.cpp).
The smallest free block that is large enough is taken; neighbours that are free become one. Segments
are kept, so holes between blocks are memory that the GPU no longer has for others.

    request          rounded up to   segment it may come from
    <= 1 MiB         512 B           2 MiB, cut anywhere
    < 10 MiB         512 B           20 MiB, cut if more than 1 MiB is left
    >= 10 MiB        512 B           its size rounded up to 2 MiB, cut as above

That is PyTorch's default, under which a step of many sizes leaves holes of every size. With
`expandable_segments:True`, which `styledial train` asks for, each of the two kinds has one segment
that grows at its end by 2 or 20 MiB, and no hole is lost between segments.
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

    def __init__(self, expandable: bool = False) -> None:
        self.reserved = self.highest = 0
        self._expandable = expandable
        self._next = 0
        self._last: dict[bool, _Block] = {}
        self._pools: dict[bool, list[tuple[int, int, _Block]]] = {True: [], False: []}
        self._held: dict[int, _Block] = {}

    def take(self, key: int, size: int) -> None:
        """Hand out `size` bytes, a multiple of 512, under `key`."""
        if size == 0:
            return
        small = size <= _SMALL
        pool = self._pools[small]
        at = bisect.bisect_left(pool, (size, -1))
        if at < len(pool):
            block = pool.pop(at)[2]
        else:
            block = self._grown(size, small) if self._expandable else self._segment(size, small)
        left = block.size - size
        # What is left of an expandable segment is always cut off.
        if left >= 512 if small or self._expandable else left > _SMALL:
            rest = _Block(block.address + size, left)
            rest.before, rest.after = block, block.after
            if block.after:
                block.after.before = rest
            else:
                self._last[small] = rest
            block.after, block.size = rest, size
            self._put(rest, small)
        block.free = False
        self._held[key] = block

    def give(self, key: int, size: int) -> None:
        """Take back what `take` handed out."""
        if size == 0:
            return
        small = size <= _SMALL
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
        if block.after is None:
            self._last[small] = block
        self._put(block, small)

    def _segment(self, size: int, small: bool) -> _Block:
        if small:
            size = _SMALL_SEGMENT
        elif size < _LARGE:
            size = _LARGE_SEGMENT
        else:
            size = _up(size, _SMALL_SEGMENT)
        return self._new(size)

    def _grown(self, size: int, small: bool) -> _Block:
        """The free end of the one segment of this kind, made long enough."""
        unit = _SMALL_SEGMENT if small else _LARGE_SEGMENT
        last = self._last.get(small)
        if last is not None and last.free:
            self._remove(last, small)
            more = _up(size - last.size, unit)
            last.size += more
            self.reserved += more
            self.highest = max(self.highest, self.reserved)
            return last
        block = self._new(_up(size, unit))
        block.address = last.address + last.size if last else (0 if small else 1 << 60)
        block.before = last
        if last is not None:
            last.after = block
        self._last[small] = block
        return block

    def _new(self, size: int) -> _Block:
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


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def reserved(events: list[Event], *, expandable: bool = True) -> int:
    """Bytes that the allocator has reserved at the worst moment of these events."""
    allocator = Allocator(expandable)
    for event in events:
        if event.size > 0:
            allocator.take(event.id, event.size)
        else:
            allocator.give(event.id, -event.size)
    return allocator.highest
