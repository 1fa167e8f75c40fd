"""Titles without a number, told by where they stand: in a list of contents, under a number, apart.

CONTENTS / The Ferry / The Mill     what such a list names and stands alone further on
Chapter I / The Ferry               a short line under each number
The Ferry / =========               what is underlined, in a book that does so again
THE FERRY                           capitals alone, after a larger gap than paragraphs have
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from styledial.data.cleaning.contents import is_contents_heading, without_page
from styledial.data.cleaning.folding import fold, fold_title
from styledial.data.cleaning.ledger import Ledger, Line

_FRONT = 400  # lines: no list of contents begins further on
LONGEST_LISTED = 60  # characters of a name in a list of contents
_LONGEST, _LONGEST_HAN = 60, 20
_FEWEST = 3
_MOST_SHARE = 0.8
_APART = 800  # characters between two titles, at the median
_PROSE = 2  # rows on end that are sentences: no list of contents goes on behind them
_TOLD = re.compile(r"""[。；，,;]$|[。！？….,!?][”」』"'’»]$|.{40}[.!?…]$""")
_NAMES_NONE = re.compile(
    r"""[.!?…,;:。！？，；：、”」"'’»\-—–]$|[。！？；]|^["“‘'«„「『\[<(（—–-]"""
)


_BLANK = " \t\u00a0\u3000\x0c"
_UNDERLINE = re.compile(r"\s*(=+|-+|~+|_+)\s*")


class Row(NamedTuple):
    """A line that isn't blank: how many blank ones stand before it, and characters."""

    text: str
    gap: int
    at: int


def rows_of(sample: Sequence[Line]) -> list[Row]:
    """The lines that aren't blank."""
    rows: list[Row] = []
    gap = at = 0
    for line in sample:
        text = line.text.strip(" \t\u00a0\u3000")
        if text:
            rows.append(Row(text, gap, at))
        gap = 0 if text else gap + 1
        at += len(text)
    return rows


def may_be_name(text: str) -> bool:
    """Whether a line may name a chapter: short, no sentence, no speech."""
    longest = _LONGEST_HAN if max(text) >= "\u3000" else _LONGEST
    return len(text) <= longest and not text[0].islower() and _NAMES_NONE.search(text) is None


def is_nameless(title: str) -> bool:
    """Whether a title seems to be a number and a word for chapters, and nothing else."""
    return len(title) <= 24 and len(title.split()) <= 3


def named_below(rows: Sequence[Row], numbers: Collection[int]) -> bool:
    """Whether the book names its chapters on the line below their numbers; `numbers` are the
    places of rows that are a number and no name."""
    below = [rows[n + 1 : n + 3] for n in numbers if n + 1 not in numbers]
    pairs = [pair for pair in below if len(pair) == 2]
    named = sum(_is_name(name, after) for name, after in pairs)
    return named >= _FEWEST and named >= _MOST_SHARE * len(pairs)


def _is_name(name: Row, after: Row) -> bool:
    """Whether the first of two rows is a name and no verse: a blank line or a far longer one
    follows it."""
    dense = len(name.text) <= _LONGEST_HAN and len(after.text) >= 2 * len(name.text)
    apart = after.gap > 0 and len(after.text) > len(name.text)
    return may_be_name(name.text) and (apart or dense)


def in_capitals(text: str) -> bool:
    """THE FERRY: all its letters are capitals, and it is no sentence."""
    return text.isupper() and len(text) > 2 and may_be_name(text)


def others_in_capitals(rows: Sequence[Row]) -> frozenset[str] | None:
    """The lines in capitals that are no titles (a sign, a telegram) in a book where nearly all are:
    those stand far apart, after a larger gap than paragraphs. None where they head no chapters."""
    gaps = [row.gap for row in rows[1:] if row.gap]
    usual = median(gaps) if len(gaps) > 0.3 * len(rows) else 0
    found = [row for row in rows if in_capitals(row.text)]
    apart = [row for row in found if row.gap > usual or row.at == 0]
    if len(apart) < _FEWEST or len(apart) < _MOST_SHARE * len(found):
        return None
    if median(b.at - a.at for a, b in pairwise(apart)) < _APART:
        return None
    return frozenset(row.text for row in found) - {row.text for row in apart}


def listed_titles(sample: Sequence[Line]) -> frozenset[str]:
    """The names, folded, that a list of contents has and that stand alone further on."""
    rows = rows_of(sample)
    begin = next((i for i, row in enumerate(rows[:_FRONT]) if is_contents_heading(row.text)), None)
    if begin is None:
        return frozenset()
    names = _entries(rows[begin + 1 : begin + _FRONT])
    known = {name for name in names if 1 < len(name) <= LONGEST_LISTED}
    again = [row for row in rows[begin + 1 + len(names) :] if fold_title(row.text) in known]
    found = {fold_title(row.text) for row in again}
    if len(found) < _FEWEST or len(again) > 2 * len(found):
        return frozenset()
    if median(b.at - a.at for a, b in pairwise(again)) < _APART / 2:
        return frozenset()
    return frozenset(found if len(found) < _MOST_SHARE * len(known) else known)


def _entries(rows: Sequence[Row]) -> list[str]:
    """The folded names of a list of contents that begins with the first row. It ends where its
    first name comes again, as a title, or where two rows on end are no names but prose."""
    names: list[str] = []
    prose = 0
    for row in rows:
        name = without_page(row.text)
        if len(row.text) > 90 or fold(name) in names[:1]:
            break
        told = len(name) > LONGEST_LISTED or _TOLD.search(row.text) is not None
        prose = prose + 1 if told else 0
        names.append(fold(name))
        if prose == _PROSE:
            break
    return names[: len(names) - prose]


def underlines_titles(sample: Sequence[Line]) -> bool:
    """Whether the book has titles underlined, as Markdown and old typewritten files have."""
    return sum(_is_underlined(a.text, b.text) for a, b in pairwise(sample)) >= 2


def note_underlined(lines: Iterator[Line], names: set[str], ledger: Ledger) -> Iterator[Line]:
    """The lines without those that underline a title, whose folded name goes to `names` first."""
    before: Line | None = None
    for line in lines:
        if before is not None and _is_underlined(before.text, line.text):
            names.add(fold_title(before.text.strip(_BLANK)))
            ledger.drop(line, "separator")
            continue
        if before is not None:
            yield before
        before = line
    if before is not None:
        yield before


def _is_underlined(text: str, below: str) -> bool:
    """Whether a line that may name a chapter stands over one as long as itself."""
    found, text = _UNDERLINE.fullmatch(below), text.strip(_BLANK)
    if found is None or len(found[1]) < 3 or not text or len(text) > LONGEST_LISTED:
        return False
    wide = sum(1 + (letter >= "\u2e80") for letter in text)
    alike = min(abs(len(found[1]) - length) for length in (len(text), wide)) <= 1
    return alike and may_be_name(text)
