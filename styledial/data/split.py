"""Which side of the split each piece is on: whole chapters, spread over every book.

Chapters that are alike, however little, are one group and never stand on both sides: a
held-out chapter with a relative in training would measure memory, not style.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from styledial.data.copies.duplicates import Pool
from styledial.data.copies.likeness import Groups, alike

RELATED = 0.12  # likeness of two chapters that may not be parted; chance gives 0.00-0.02
_ROOM = 1.5  # a group of more than this many times the whole held-out part stays in training

_SHORT_BOOK = 8000  # characters; a book of no more is never divided


@dataclass(frozen=True)
class Sides:
    """heldout[i] for each piece of the pool; or, where the text is too short for whole chapters,
    cut[i] characters that go from the end of the piece instead."""

    heldout: np.ndarray
    cut: np.ndarray


def choose_sides(pool: Pool, validation_split: float) -> Sides:
    """Held-out chapters of about `validation_split` of all characters, the same at each run.

    Chapters are taken evenly, in order; a long book without chapters gives a run of pieces, a
    short one is a chapter itself. Where each of these is more than the whole held-out part, every
    book gives its end.
    """
    kept = np.flatnonzero(~pool.gone)
    heldout = np.zeros(len(pool.gone), dtype=bool)
    cut = np.zeros(len(pool.gone), dtype=np.int64)
    if not kept.size or validation_split <= 0:
        return Sides(heldout, cut)
    groups = _related(pool, kept, _chapters(pool, kept, validation_split))
    chosen = _choose(pool, kept, groups, validation_split)
    if not chosen.any():
        cut = _ends(pool, kept, groups, validation_split)
        names = np.unique(groups)
        if not cut.any() and len(names) > 1:  # too like each other to be cut: the smallest goes
            sizes = np.bincount(groups, pool.length[kept])[names]
            chosen = groups == names[np.argmin(sizes)]
    heldout[kept] = chosen
    return Sides(heldout, cut)


def _ends(pool: Pool, kept: np.ndarray, groups: np.ndarray, validation_split: float) -> np.ndarray:
    """cut [pieces]: the part of each book from its last piece, if that has no relatives."""
    cut = np.zeros(len(pool.gone), dtype=np.int64)
    chapter = pool.book[kept] * (1 + int(pool.ordinal.max())) + pool.ordinal[kept]
    for number in np.unique(pool.book[kept]):
        at = np.flatnonzero(pool.book[kept] == number)
        last = at[-1]
        alone = np.unique(chapter[groups == groups[last]]).size == 1
        if alone and not pool.forced[kept[last]]:
            part = validation_split * pool.length[kept[at]].sum()
            cut[kept[last]] = int(min(part, pool.length[kept[last]] / 2))
    return cut


def _chapters(pool: Pool, kept: np.ndarray, validation_split: float) -> np.ndarray:
    """A number for each kept piece, equal within a chapter.

    A long book in one chapter only is taken in runs, of the length of its held-out part.
    """
    keys = np.zeros(len(kept), dtype=np.int64)
    base = 0
    for number in np.unique(pool.book[kept]):
        at = np.flatnonzero(pool.book[kept] == number)
        rows = kept[at]
        ordinal = pool.ordinal[rows] - pool.ordinal[rows].min()
        if ordinal.max() == 0:
            lengths = pool.length[rows]
            run = max(_SHORT_BOOK, lengths.sum() * validation_split)
            ordinal = ((np.cumsum(lengths) - lengths) // run).astype(np.int64)
        keys[at] = base + ordinal
        base += int(ordinal.max()) + 1
    return keys


def _related(pool: Pool, kept: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """A group number for each kept piece: its chapter's, joined with those of its relatives."""
    names, chapter = np.unique(keys, return_inverse=True)
    groups = Groups(len(names))
    for i, j, _ in alike(pool.signature[kept], RELATED, rows=2):
        groups.join(int(chapter[i]), int(chapter[j]))
    # Copies may be cut into pieces at other places; as whole chapters they are alike again.
    whole = np.full((len(names), pool.signature.shape[1]), np.iinfo(np.uint32).max, np.uint32)
    np.minimum.at(whole, chapter, pool.signature[kept])
    for i, j, _ in alike(whole, RELATED, rows=2):
        groups.join(i, j)
    return np.array([groups.of(int(c)) for c in chapter], dtype=np.int64)


def _choose(
    pool: Pool, kept: np.ndarray, groups: np.ndarray, validation_split: float
) -> np.ndarray:
    """Held-out flags [kept]. Each group in order adds its share to what is still to be held out;
    a group is held out when that covers it."""
    count = int(groups.max()) + 1
    size = np.bincount(groups, pool.length[kept], minlength=count)
    train = np.bincount(groups, pool.forced[kept] == 1, minlength=count) > 0
    heldout = (np.bincount(groups, pool.forced[kept] == 2, minlength=count) > 0) & ~train
    room = _ROOM * validation_split * size.sum()
    owed = -size[heldout].sum()
    chosen = heldout.copy()
    for group in range(count):
        if not size[group]:
            continue
        owed += size[group] * validation_split
        free = not train[group] and not heldout[group] and size[group] <= room
        if free and owed >= size[group] / 2:
            chosen[group] = True
            owed -= size[group]
    return chosen[groups]
