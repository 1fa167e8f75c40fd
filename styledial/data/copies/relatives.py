"""Which pieces and chapters are alike, however little."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from styledial.data.copies.duplicates import Pool
from styledial.data.copies.likeness import Groups, alike

RELATED = 0.12  # likeness of two texts that may not be parted; chance gives 0.00-0.02


def relate(pool: Pool, live: np.ndarray) -> tuple[np.ndarray, dict[int, set[int]]]:
    """(group, relatives): a group number for each piece of `live`, -1 for others; and for each
    piece that has like ones their numbers.

    A group is a chapter with all those that are alike, directly or through others. Group numbers
    follow the order of the text.
    """
    relatives: defaultdict[int, set[int]] = defaultdict(set)
    names, chapter = np.unique(_chapters(pool, live), return_inverse=True)
    groups = Groups(len(names))
    for i, j, _ in alike(pool.signature[live], RELATED, rows=2):
        groups.join(int(chapter[i]), int(chapter[j]))
        one, other = int(live[i]), int(live[j])
        relatives[one].add(other)
        relatives[other].add(one)
    # Copies may be cut into pieces at other places; as whole chapters they are alike again.
    whole = np.full((len(names), pool.signature.shape[1]), np.iinfo(np.uint32).max, np.uint32)
    np.minimum.at(whole, chapter, pool.signature[live])
    for i, j, _ in alike(whole, RELATED, rows=2):
        groups.join(i, j)
    group = np.full(len(pool.gone), -1, dtype=np.int64)
    group[live] = [groups.of(int(number)) for number in chapter]
    return group, relatives


def _chapters(pool: Pool, live: np.ndarray) -> np.ndarray:
    """A number for each live piece, equal within a chapter, growing over the books."""
    return pool.book[live] * (1 + int(pool.ordinal.max())) + pool.ordinal[live]
