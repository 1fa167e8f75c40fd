"""Similar signatures: MinHash with banding (LSH), in sorted arrays.

An index of buckets (datasketch's MinHashLSH) takes 10 KB a text with 32 bands, which is 1.2 GB for
a gigabyte of novels, so the bands are sorted here instead, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_ALL_PAIRS = 24  # of a run of texts that share a band, each is compared with so many, and the first
_AT_ONCE = 1 << 15


def alike(signatures: np.ndarray, least: float, rows: int) -> Iterator[tuple[int, int, float]]:
    """(i, j, likeness) with i < j for pairs of at least that likeness, each once.

    Texts are compared where they agree in one band of `rows` numbers: a pair of likeness s is
    found with probability 1 - (1 - s^rows)^(128 / rows), 0.87 for s = 0.5 and four rows.
    Memory: 30 bytes a text, and the pairs of one band.
    """
    count = len(signatures)
    if count < 2:
        return
    seen: set[int] = set()
    for band in range(0, signatures.shape[1] - rows + 1, rows):
        for block in _candidates(_band_keys(signatures[:, band : band + rows])):
            for start in range(0, len(block), _AT_ONCE):
                pairs = block[start : start + _AT_ONCE]
                share = (signatures[pairs[:, 0]] == signatures[pairs[:, 1]]).mean(axis=1)
                for place in np.flatnonzero(share >= least):
                    i, j = sorted(map(int, pairs[place]))
                    if i * count + j not in seen:
                        seen.add(i * count + j)
                        yield i, j, float(share[place])


def _band_keys(band: np.ndarray) -> np.ndarray:
    keys = np.zeros(len(band), dtype=np.uint64)
    for column in band.T:
        keys = (keys ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    return keys


def _candidates(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Index pairs [n, 2] of equal keys: each with the first, and with the next few of its run."""
    order = np.argsort(keys, kind="stable").astype(np.int32)
    ordered = keys[order]
    opens = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    first = np.repeat(opens, np.diff([*opens, len(ordered)]))
    far = np.flatnonzero(np.arange(len(ordered)) - first > _ALL_PAIRS)
    if far.size:
        yield np.stack([order[first[far]], order[far]], axis=1)
    for step in range(1, _ALL_PAIRS + 1):
        same = np.flatnonzero(ordered[step:] == ordered[:-step])
        if not same.size:
            return
        yield np.stack([order[same], order[same + step]], axis=1)


class Groups:
    """Things joined into groups (union-find); the smallest member names its group."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def of(self, item: int) -> int:
        """The smallest member of the item's group."""
        while self._parent[item] != item:
            self._parent[item] = self._parent[self._parent[item]]
            item = self._parent[item]
        return item

    def join(self, one: int, other: int) -> None:
        """Make the groups of two items one."""
        first, second = sorted((self.of(one), self.of(other)))
        self._parent[second] = first
