"""A PDF set in vertical lines, from right to left: turned, so that it reads as any other.

    x, y of a column's first character  ->  row: x as far as it begins below, y as far to the right

Some programs place each character of a column by itself; those are joined first.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from styledial.data.reading.pdf_pages import Row

_ASIDE = 0.6  # of the size: characters of a column lie no further beside each other
_BELOW = 3.0  # sizes: nor further below each other, spaces counted
_SPACE = 1.6  # sizes from one character to the next, where there is a space between
_NEXT = (0.8, 5.0)  # sizes between two columns
_LEVEL = 12.0  # sizes by which a column may begin below its neighbour
_MOST = 0.6  # of the neighbours lie so
_FULL = re.compile("[\u3000-\u9fff\uff01-\uff60]")
_SCRIPT = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


def turned(pages: Sequence[Sequence[Row]]) -> tuple[list[list[Row]], list[list[Row]]] | None:
    """(the rows without their columns, the columns as rows) by pages, where the lines of a book
    are vertical. In place of its columns a page has one row there that is all of them."""
    joined = [_columns(rows) for rows in pages]
    pairs = [pair for rows in joined for pair in itertools.pairwise(rows)]
    beside = [pair for pair in pairs if _are_columns(*pair)]
    if not beside or len(beside) < _MOST * len(pairs):
        return None
    text = "".join(row.text for pair in beside for row in pair)
    if len(_SCRIPT.findall(text)) < 0.5 * len(text):
        return None
    high = max(row.y for pair in beside for row in pair) + 1
    low = min(row.y - _length(row.text) * row.size for pair in beside for row in pair)
    around, columns = [], []
    for rows in joined:
        own = [row for row in rows if low <= row.y <= high]
        whole = [own[0]._replace(text="".join(row.text for row in own))] if own else []
        around.append(whole + [row for row in rows if not low <= row.y <= high])
        columns.append([row._replace(x=-row.y, y=row.x) for row in own])
    return around, columns


def _are_columns(before: Row, row: Row) -> bool:
    nearest, furthest = _NEXT
    apart = (before.x - row.x) / max(1.0, row.size)
    return nearest <= apart <= furthest and abs(before.y - row.y) <= _LEVEL * row.size


def _length(text: str) -> float:
    """From the first to the last character of a column, in sizes; others than these are turned."""
    full = len(_FULL.findall(text))
    return full + 0.5 * (len(text) - full) - 1


def _columns(rows: Sequence[Row]) -> list[Row]:
    """The rows with single characters below each other joined."""
    found: list[Row] = []
    last = 0.0  # where the last character of the last row stands
    for row in rows:
        before = found[-1] if found else row
        step = (last - row.y) / max(1.0, row.size)
        aside = abs(row.x - before.x) / max(1.0, row.size)
        if found and len(row.text) <= 2 and aside <= _ASIDE and 0 < step <= _BELOW:
            space = "\u3000" if step > _SPACE else ""
            found[-1] = before._replace(text=before.text + space + row.text)
        else:
            found.append(row)
        last = row.y
    return found
