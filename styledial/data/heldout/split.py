"""Which side of the split each piece is on: whole chapters, else sections, spread over every book.

    large books     each gives its part: chapters while they fit, sections of chapters for the rest
    small books     give their part together, as if they were one book
    nothing free    the smallest group of texts that are alike is held out whole

Chapters that are alike, however little, are one group and never stand on both sides: a held-out
chapter with a relative in training would measure memory, not style. Where a section is held out,
its relatives in other books are left out.
"""

from __future__ import annotations

import numpy as np

from styledial.data.copies.duplicates import Pool
from styledial.data.copies.relatives import relate
from styledial.data.heldout.chapters import CLOSE, choose_chapters
from styledial.data.heldout.cutting import Cutter, Reader
from styledial.data.heldout.sides import Sides

LARGE = 20_000  # characters; a book of no fewer gives its own held-out part


def choose_sides(pool: Pool, validation_split: float, read: Reader) -> Sides:
    """About `validation_split` of each large book's characters, the same ones at each run.

    `read` gives the texts of pieces that are cut, a few for each section.
    """
    count = len(pool.gone)
    sides = Sides(np.zeros(count, dtype=bool), np.zeros(count, dtype=bool))
    live = np.flatnonzero(~pool.gone)
    if live.size and validation_split > 0:
        _Split(pool, live, validation_split, read, sides).choose()
    return sides


class _Split:
    """The choice under way: pieces and groups that are no longer free, and what they are alike."""

    def __init__(
        self, pool: Pool, live: np.ndarray, share: float, read: Reader, sides: Sides
    ) -> None:
        self.pool, self.live, self.share, self.sides = pool, live, share, sides
        self.group, relatives = relate(pool, live)
        self.cutter = Cutter(pool, sides, relatives, read)
        self.group_size = np.bincount(self.group[live], pool.length[live])
        self.taken = np.zeros(len(self.group_size), dtype=bool)
        self._follow_earlier_split()

    def choose(self) -> None:
        books = np.bincount(self.pool.book[self.live], self.pool.length[self.live])
        large = np.flatnonzero(books >= LARGE)
        for book in large:
            rows = self.pool.rows(int(book))
            self._give(rows[~self.pool.gone[rows]])
        small = self.live[books[self.pool.book[self.live]] < LARGE]
        if small.size and (not large.size or self.pool.length[small].sum() >= LARGE):
            self._give(small)
        if not self.sides.heldout.any() and not self.sides.cut:
            self._smallest_group()

    def _follow_earlier_split(self) -> None:
        """Pieces that an earlier run put on a side stay there, and what is like them joins them."""
        side = self.pool.forced[self.live]
        group = self.group[self.live]
        trained = np.bincount(group, side == 1) > 0
        heldout = (np.bincount(group, side == 2) > 0) & ~trained
        self.taken = trained | heldout
        self.sides.heldout[self.live] = (side == 2) | (heldout[group] & (side != 1))

    def _give(self, rows: np.ndarray) -> None:
        """Hold out the part of these pieces, less what is held out of them already."""
        length, open_ = self.pool.length[rows], self.pool.forced[rows] == 0
        wanted = self.share * length[open_].sum()
        missing = wanted - length[self.sides.heldout[rows] & open_].sum()
        if missing > CLOSE * wanted:
            missing -= self._take_chapters(rows, missing)
        if missing > CLOSE * wanted:
            anywhere = length.sum() >= LARGE or len(np.unique(self.group[rows])) == 1
            self.cutter.take(rows, missing, anywhere=anywhere)

    def _take_chapters(self, rows: np.ndarray, wanted: float) -> int:
        """The number of characters of `rows` that were taken as whole groups of chapters."""
        names, index = np.unique(self.group[rows], return_inverse=True)
        size = np.bincount(index, self.pool.length[rows])
        touched = self.live[self.sides.left_out[self.live]].tolist() + list(self.sides.cut)
        free = ~self.taken[names] & ~np.isin(names, self.group[touched])
        for place in np.flatnonzero(free & (self.group_size[names] > size)):
            free[place] = self._fits_elsewhere(int(names[place]), rows)
        chosen = choose_chapters(size, free, wanted)
        self.taken[names[chosen]] = True
        self.sides.heldout[self.live[np.isin(self.group[self.live], names[chosen])]] = True
        return int(size[chosen].sum())

    def _fits_elsewhere(self, group: int, rows: np.ndarray) -> bool:
        """Whether a group is no more than their part of the other books that it belongs to."""
        members = np.setdiff1d(self.live[self.group[self.live] == group], rows)
        books = np.isin(self.pool.book, np.unique(self.pool.book[members]))
        part = self.share * self.pool.length[books & ~self.pool.gone].sum()
        return bool(self.pool.length[members].sum() <= (1 + CLOSE) * part)

    def _smallest_group(self) -> None:
        """Texts too like each other to be parted: of several groups the smallest is held out."""
        free = np.flatnonzero((self.group_size > 0) & ~self.taken)
        if len(free) > 1:
            smallest = free[np.argmin(self.group_size[free])]
            self.sides.heldout[self.live[self.group[self.live] == smallest]] = True
