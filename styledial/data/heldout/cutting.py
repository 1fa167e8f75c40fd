"""Cutting held-out sections out of books, with a gap on both sides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from styledial.data.copies.duplicates import Pool
from styledial.data.heldout.chapters import CLOSE
from styledial.data.heldout.sections import (
    Section,
    end_of,
    place_sections,
    rest_of,
    tail_of,
    without_end,
    without_start,
)
from styledial.data.heldout.sides import Part, Sides

Reader = Callable[[Collection[int]], dict[int, str]]  # numbers of pieces -> their texts

_TINY = 8000  # characters; a text of fewer gives its end, without gaps
_MOST_LEFT_OUT = 0.25  # of a book, for being like held-out text of another


class Cutter:
    """Takes sections out of the pieces that are whole, and notes them in `sides`.

    relatives[row]: the pieces that are like a piece, of its own book and others.
    """

    def __init__(
        self, pool: Pool, sides: Sides, relatives: Mapping[int, set[int]], read: Reader
    ) -> None:
        self.pool, self.sides, self.relatives, self.read = pool, sides, relatives, read

    def take(self, rows: np.ndarray, wanted: float, *, anywhere: bool) -> None:
        """Hold out about `wanted` characters of the pieces `rows`.

        Taken is what was left out for its likeness to other held-out text, then what is like
        nothing; then anything, if `anywhere`.
        """
        length = self.pool.length[rows]
        least = CLOSE * wanted
        usable = self._untouched(rows)
        alone = usable & ~self._related(rows)
        if length.sum() < _TINY:
            self._take_tail(rows[alone if alone.any() else usable & anywhere], wanted)
            return
        for places in (self.sides.left_out[rows], alone, usable & anywhere):
            if wanted > least and places.any():
                wanted -= self._cut(place_sections(rows, length, places, wanted))

    def _take_tail(self, rows: np.ndarray, wanted: float) -> None:
        if rows.size:
            last = int(rows[-1])
            self.sides.cut[last] = tail_of(self.read({last})[last], wanted)

    def _untouched(self, rows: np.ndarray) -> np.ndarray:
        """Pieces that are whole on the side of training, and not by an earlier run's choice."""
        whole = np.array([row not in self.sides.cut for row in rows.tolist()])
        other = self.sides.heldout[rows] | self.sides.left_out[rows] | (self.pool.forced[rows] > 0)
        return whole & ~other

    def _related(self, rows: np.ndarray) -> np.ndarray:
        """Pieces with relatives, and those beside them: a likeness may reach over a piece's end."""
        has = np.array([row in self.relatives for row in rows.tolist()])
        beside = has.copy()
        beside[1:] |= has[:-1]
        beside[:-1] |= has[1:]
        return beside

    def _cut(self, found: list[Section]) -> int:
        """Put sections on their side, gaps and relatives on none; returns the sections' length."""
        beside = {section: self._beside(section) for section in found}
        texts = self.read({row for s in found for row in (s.last, *beside[s])})
        got = 0
        for section in found:
            got += self._hold_out(section, texts[section.last])
            self._make_gaps(section, beside[section], texts)
        for section in found:
            self._leave_out_relatives(section)
        return got

    def _hold_out(self, section: Section, text: str) -> int:
        first, last = section.first, section.last
        end = end_of(section, text)
        self.sides.heldout[first:last] = True
        if end == len(text):
            self.sides.heldout[last] = True
        else:
            rest = [] if self.sides.left_out[last] else rest_of(text, end)
            self.sides.cut[last] = [Part(0, end, "heldout"), *rest]
        self.sides.left_out[first : last + 1] = False
        return int(self.pool.length[first:last].sum()) + end

    def _beside(self, section: Section) -> list[int]:
        """The pieces before and behind a section in its book that are for training."""
        book = self.pool.book
        rows = [row for row in (section.first - 1, section.last + 1) if 0 <= row < len(book)]
        return [row for row in rows if book[row] == book[section.first] and self._trains(row)]

    def _make_gaps(self, section: Section, beside: list[int], texts: Mapping[int, str]) -> None:
        """Take the gaps from the pieces beside a section; a piece that is cut has its own."""
        cut = section.last in self.sides.cut
        for row in beside:
            parts, text = self.sides.parts(row, len(texts[row])), texts[row]
            if row < section.first and parts and parts[-1].split == "train":
                self.sides.cut[row] = [*parts[:-1], *without_end(parts[-1], text)]
            elif row > section.last and not cut and parts and parts[0].split == "train":
                self.sides.cut[row] = [*without_start(parts[0], text), *parts[1:]]

    def _leave_out_relatives(self, section: Section) -> None:
        """What is like a section in another book, and what stands beside that, is left out.

        Not from a book of which too much would go: it repeats the other's words throughout.
        """
        book, length = self.pool.book, self.pool.length
        like = {
            other
            for row in range(section.first, section.last + 1)
            for other in self.relatives.get(row, ())
            if book[other] != book[row]
        }
        for number in {int(book[other]) for other in like}:
            whole = self.pool.rows(number)
            near = {o + step for o in like if book[o] == number for step in (-1, 0, 1)}
            rows = [
                row for row in sorted(near) if whole[0] <= row <= whole[-1] and self._trains(row)
            ]
            gone = length[whole][self.sides.left_out[whole]].sum() + length[rows].sum()
            if gone <= _MOST_LEFT_OUT * length[whole].sum():
                self._leave_out(rows)

    def _trains(self, row: int) -> bool:
        """Whether a piece, or a part of it, is for training by this run's choice."""
        other = self.pool.gone[row] or self.pool.forced[row] or self.sides.heldout[row]
        return not (other or self.sides.left_out[row])

    def _leave_out(self, rows: list[int]) -> None:
        for row in rows:
            if row in self.sides.cut:
                kept = [part for part in self.sides.cut[row] if part.split == "heldout"]
                self.sides.cut[row] = kept
            else:
                self.sides.left_out[row] = True
