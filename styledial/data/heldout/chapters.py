"""Chapters that together have a wanted length, spread over a book."""

from __future__ import annotations

import numpy as np

CLOSE = 0.15  # of what is wanted: chapters that come so near are taken whole


def choose_chapters(size: np.ndarray, free: np.ndarray, wanted: float) -> list[int]:
    """Numbers of free chapters, in order, of about `wanted` characters; never CLOSE more.

    size [n]: characters; free [n]: whether the chapter may be taken. As each chapter passes, its
    share is owed; one that is owed half is taken. Then chapters are exchanged with their
    neighbours while that brings the sum nearer. Less is chosen where chapters don't fit.
    """
    free = free & (size > 0) & (size <= (1 + CLOSE) * wanted)
    rate = wanted / max(size.sum(), 1)
    owed = 0.0
    chosen: list[int] = []
    for number in range(len(size)):
        owed += size[number] * rate
        if free[number] and owed >= size[number] / 2:
            chosen.append(number)
            owed -= size[number]
    chosen = _brought_nearer(chosen, size, free, wanted)
    while chosen and size[chosen].sum() > (1 + CLOSE) * wanted:
        chosen.pop()
    return chosen


def _brought_nearer(
    chosen: list[int], size: np.ndarray, free: np.ndarray, wanted: float
) -> list[int]:
    """The best single change (one in, one out, or one for its neighbour), again and again."""
    while True:
        miss = size[chosen].sum() - wanted
        if abs(miss) <= CLOSE * wanted:
            return chosen
        changes = _changes(chosen, size, free)
        best = min(changes, key=lambda c: abs(miss + c[0]), default=None)
        if best is None or abs(miss + best[0]) >= abs(miss):
            return chosen
        _, out, into = best
        chosen = sorted({*chosen} - {out} | ({into} - {-1}))


def _changes(chosen: list[int], size: np.ndarray, free: np.ndarray) -> list[tuple[int, int, int]]:
    """(characters more, the chapter that leaves or -1, the one that comes or -1)."""
    taken = set(chosen)
    others = [n for n in np.flatnonzero(free).tolist() if n not in taken]
    reach = len(size) // (2 * len(chosen) + 1)
    changes = [(int(size[n]), -1, n) for n in others]
    for out in chosen:
        changes.append((-int(size[out]), out, -1))
        changes += [(int(size[n] - size[out]), out, n) for n in others if abs(n - out) <= reach]
    return changes
