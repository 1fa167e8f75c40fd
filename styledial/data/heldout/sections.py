"""Held-out sections inside chapters, for books whose chapters are too few or too long.

    piece      |  p  p  p  p  |  p  p  p  p  p  p  |
    side        train train .. | held held .. train    . = gap, on neither side

A section begins with a piece and ends between paragraphs, or sentences where paragraphs are long.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from styledial.data.boundaries import cut_near
from styledial.data.heldout.sides import Part

SECTION = 5000  # characters of a section, where that much is held out; several rows of tokens
GAP = 200  # characters about, beside a section; what stands there tells of the held-out text
_SLACK = 0.1  # of a section's length: how far its end may be from where it was wanted
_APART = 4  # pieces for each section, at least


class Section(NamedTuple):
    """Pieces first..last (row numbers), of the last one `end` characters, give or take `slack`."""

    first: int
    last: int
    end: int
    slack: int


def place_sections(
    rows: np.ndarray, length: np.ndarray, usable: np.ndarray, wanted: float
) -> list[Section]:
    """Sections of about `wanted` characters together, spread evenly over the pieces of a book.

    rows [n]: the pieces' numbers, in order; length [n]: characters; usable [n]: where a section
    may lie. Shorter sections are tried where the usable places are short; empty if there are none.
    """
    found: list[Section] = []
    for shorter in (1, 2, 4):
        count = max(1, min(round(wanted / SECTION) * shorter, len(rows) // _APART))
        found = _placed(rows, length, usable, wanted, count)
        if len(found) == count:
            break
    return found


def _placed(
    rows: np.ndarray, length: np.ndarray, usable: np.ndarray, wanted: float, count: int
) -> list[Section]:
    """Up to `count` sections, each at the usable piece nearest to its even place."""
    ends = np.cumsum(length)
    starts = ends - length
    each = wanted / count
    slack = int(_SLACK * each)
    possible = np.flatnonzero(_run_from(rows, length, usable) >= each)
    found: list[Section] = []
    earliest = 0
    for number in range(count):
        ideal = ends[-1] * (number + 0.5) / count - each / 2
        rest = possible[np.searchsorted(possible, earliest) :]
        if not rest.size:
            break
        first = int(rest[np.argmin(np.abs(starts[rest] - ideal))])
        last = int(np.searchsorted(ends, starts[first] + each))
        end = round(starts[first] + each - starts[last])
        if end <= slack and last > first:
            last, end = last - 1, int(length[last - 1])
        found.append(Section(int(rows[first]), int(rows[last]), end, slack))
        earliest = last + 2  # a piece between two sections
    return found


def _run_from(rows: np.ndarray, length: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """[n]: characters from the start of each piece to the next one that can't be used."""
    run = np.where(usable, length, 0)
    for i in range(len(rows) - 2, -1, -1):
        if usable[i] and rows[i + 1] == rows[i] + 1:
            run[i] += run[i + 1]
    return run


def end_of(section: Section, text: str) -> int:
    """Where in its last piece a section ends, for the reader's sake rather than to the letter."""
    return min(len(text), cut_near(text, section.end, section.slack))


def rest_of(text: str, end: int) -> list[Part]:
    """What of a piece is left to training behind its first `end` characters and a gap."""
    start = cut_near(text, min(end + GAP, len(text)), GAP // 2)
    return [Part(start, len(text), "train")] if start < len(text) else []


def without_end(part: Part, text: str) -> list[Part]:
    """A part that a section follows, without the gap at its end; nothing of a short one."""
    end = cut_near(text[: part.end], part.end - GAP, GAP // 2)
    return [part._replace(end=end)] if end > part.start + GAP else []


def without_start(part: Part, text: str) -> list[Part]:
    """A part that a section comes before, without the gap at its start; nothing of a short one."""
    start = cut_near(text, part.start + GAP, GAP // 2)
    return [part._replace(start=start)] if part.end > start + GAP else []


def tail_of(text: str, length: float) -> list[Part]:
    """A text too short for sections and gaps: about `length` characters at its end are held out."""
    wanted = max(1, round(min(length, len(text) / 2)))
    cut = cut_near(text, len(text) - wanted, wanted - 1)
    return [Part(0, cut, "train"), Part(cut, len(text), "heldout")]
