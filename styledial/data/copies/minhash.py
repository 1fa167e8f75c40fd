"""MinHash: the smallest value of each of 128 permutations over a set of hashes.

    h -> fmix32(h) -> a h + b modulo 2^32, for 128 pairs (odd a, b) -> the least of each

Broder 1997, "On the resemblance and containment of documents". fmix32 is the finaliser of
MurmurHash3 (Appleby), which spreads hashes that lie close together. The numbers are those of
datasketch 2.0 (scheme affine32, seed 1), whose import takes scipy and a third of a second with it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

PERMUTATIONS = 128
_SEED = 1


def signature(hashes: np.ndarray) -> np.ndarray:
    """uint32 [PERMUTATIONS] of hashes, uint32 [n]; all ones for none."""
    if not hashes.size:
        return np.full(PERMUTATIONS, 0xFFFFFFFF, dtype=np.uint32)
    a, b = _permutations()
    values = np.multiply.outer(a, _mixed(hashes.astype(np.uint32)))
    values += b[:, None]
    smallest: np.ndarray = values.min(axis=1)
    return smallest


def _mixed(values: np.ndarray) -> np.ndarray:
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        values = (values ^ (values >> np.uint32(shift))) * np.uint32(factor)
    return values ^ (values >> np.uint32(16))


@lru_cache(maxsize=1)
def _permutations() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.RandomState(_SEED)
    a = draw.randint(0, 1 << 31, PERMUTATIONS, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return a, draw.randint(0, 1 << 32, PERMUTATIONS, dtype=np.uint32)
