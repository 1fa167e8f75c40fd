"""The rows of a PDF, page by page, and which of them are running heads and page numbers.

A row says where it stands and how large it is printed. What stands at the edge of one page after
the other is the edition's: the same words three times, or numbers that count the pages.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from styledial.data.cleaning.letter_forms import as_written
from styledial.data.cleaning.numerals import value
from styledial.data.cleaning.unwrap import ends_sentence

_LEVELS = 2  # lines at the top and at the bottom of a page that may be of the edition
_PAGES = 3  # on so many pages the same words are a running head
_MANY = 0.4  # of the pages: alike on so many, a line needn't be set off
_NUMBERED = 2  # on so many pages bare numbers that count them are page numbers
_LONGEST_HEAD = 100  # characters
_APART = 1.3  # times the usual distance of two lines
_SMALLER = 0.92  # times the size of the text
_LARGEST_HEAD = 1.1  # times the size of the text: a chapter's number is printed larger
_SPACE = 0.35  # of the size: about how wide a space is
_ENDED = 0.9  # of the pages that end their text, where each is one of its own
_HIGH = 0.3  # of the height of the longest text: one that ends above leaves room
_SAID = ".,!?;:。，！？；："  # how no running head ends
_DIGITS = re.compile(r"\d{1,4}")
_ROMAN = re.compile(r"[ivxlc]{1,7}|[IVXLC]{1,7}")


class Row(NamedTuple):
    """A printed line: where it begins and how large it is, in points; y grows upwards."""

    text: str
    x: float
    y: float
    size: float
    page: int


def rows_of(page: Any, number: int) -> list[Row]:
    """The rows of a page of pypdf in the order of its content; without places where they don't
    account for all of its text."""
    found: list[Row] = []
    parts: list[str] = []
    place: tuple[float, float, float] | None = None

    def end() -> None:
        nonlocal place
        text = "".join(parts)
        if text.strip() and place is not None:
            x, y, size = place
            blank = len(text) - len(text.lstrip())  # one space comes from pypdf itself
            x += _SPACE * size * blank if blank > 1 else 0
            found.append(Row(text.strip(), x, y, size, number))
        parts.clear()
        place = None

    def visit(text: str, cm: list[float], tm: list[float], _: Any, size: float) -> None:
        nonlocal place
        for i, part in enumerate(text.split("\n")):
            if i:
                end()
            if part.strip() and place is None:
                place = _place(cm, tm, size)
            parts.append(part)

    _merge_moves(page)
    whole = str(page.extract_text(visitor_text=visit) or "")
    end()
    if "".join("".join(row.text for row in found).split()) != "".join(whole.split()):
        lines = [line.strip() for line in whole.split("\n") if line.strip()]
        found = [Row(line, 0.0, -float(i), 0.0, number) for i, line in enumerate(lines)]
    written = as_written("\n".join(row.text for row in found)).split("\n") if found else []
    return [row._replace(text=text) for row, text in zip(found, written, strict=True)]


def _merge_moves(page: Any) -> None:
    """The page with each move behind a placing of the text in one: pypdf takes the two of them
    for a gap, so that every change of font within a line would part a word or its comma."""
    from pypdf.generic import ContentStream, FloatObject, NameObject

    if page.get_contents() is None:
        return
    contents = ContentStream(page["/Contents"].get_object(), page.pdf, "bytes")
    merged: list[tuple[Any, bytes]] = []
    for operands, operator in contents.operations:
        before = merged[-1] if merged else ([], b"")
        if operator == b"Td" and before[1] == b"Tm" and (len(before[0]), len(operands)) == (6, 2):
            a, b, c, d, x, y = map(float, before[0])
            right, up = map(float, operands)
            moved = [a, b, c, d, x + right * a + up * c, y + right * b + up * d]
            merged[-1] = ([FloatObject(number) for number in moved], b"Tm")
        else:
            merged.append((operands, operator))
    contents.operations = merged
    page[NameObject("/Contents")] = contents


def _place(cm: list[float], tm: list[float], size: float) -> tuple[float, float, float]:
    """(x, y, size) on the page: the text's own matrix, then that of what it stands in."""
    x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
    y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
    up = (tm[2] * cm[0] + tm[3] * cm[2], tm[2] * cm[1] + tm[3] * cm[3])
    return x, y, size * float((up[0] ** 2 + up[1] ** 2) ** 0.5)


def size_of_text(rows: Sequence[Row]) -> float:
    """The size, to half a point, in which most characters are printed."""
    sizes: Counter[float] = Counter()
    for row in rows:
        sizes[round(row.size * 2) / 2] += len(row.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def usual_gap(rows: Iterable[Row], size: float) -> float:
    """The distance between two lines of the text, in points."""
    text = [row for row in rows if abs(row.size - size) <= 0.5]
    gaps = Counter(
        round(2 * (a.y - b.y)) / 2
        for a, b in itertools.pairwise(text)
        if a.page == b.page and a.y > b.y
    )
    return gaps.most_common(1)[0][0] if gaps else size


def edge_rows(pages: Sequence[Sequence[Row]], size: float) -> dict[Row, str]:
    """Why each row at the edge of its page is the edition's: ``running head``, ``page number``.

    Lines of the text are at an edge too, and three of them may be alike: words that aren't set
    off from the text have to stand on many pages. Where each page is a text of its own, a letter
    or a poem, its number, salutation and refrain stand there: only what is printed smaller is
    the edition's, and numbers at the bottom.
    """
    gap = usual_gap((row for rows in pages for row in rows), size)
    edges = {row: off for rows in pages for row, off in _at_edges(rows, size, gap)}
    numbered = [
        (row, form, number)
        for row, off in edges.items()
        for form, numbers in _numbered(row.text)
        for number in numbers[: None if off else 1]
    ]
    counting = Counter((form, number - row.page) for row, form, number in numbered)
    offsets = Counter(
        number - row.page for row, form, number in numbered if edges[row] and _ends_in_number(form)
    )
    why = {
        row: "page number" if form == "#" else "running head"
        for row, form, number in numbered
        if counting[form, number - row.page] >= (_NUMBERED if form == "#" else _PAGES)
        or (edges[row] and _ends_in_number(form) and offsets[number - row.page] >= _PAGES)
    }
    pages_of: dict[str, set[int]] = {}
    for row in edges:
        pages_of.setdefault(_head(row.text), set()).add(row.page)
    for row, off in edges.items():
        count = len(pages_of[_head(row.text)])
        said = row.text[-1] in _SAID and row.size >= _SMALLER * size
        if not said and count >= (_PAGES if off else max(_PAGES, _MANY * len(pages))):
            why.setdefault(row, "running head")
    if not _are_texts(pages, why):
        return why
    middle = max(row.y for rows in pages for row in rows) / 2
    return {
        row: reason
        for row, reason in why.items()
        if row.size < _SMALLER * size or (row.y < middle and _numbered(row.text))
    }


def _are_texts(pages: Sequence[Sequence[Row]], why: dict[Row, str]) -> bool:
    """Whether nearly each page ends its text: with a sentence, or high above the bottom."""
    ends = [next((row for row in reversed(rows) if row not in why), None) for rows in pages]
    last = [row for row in ends if row is not None]
    if len(last) < _PAGES:
        return False
    lowest = min(row.y for row in last)
    high = lowest + _HIGH * (max(row.y for rows in pages for row in rows) - lowest)
    ended = sum(ends_sentence(row.text) or row.y > high for row in last)
    return ended >= _ENDED * len(last)


def _ends_in_number(form: str) -> bool:
    """Whether a number begins or ends a head: another one on each page may stand with it."""
    return form.startswith("#") or form.endswith("#")


def _head(text: str) -> str:
    """A running head without the number of the page."""
    return re.sub(r"^\d{1,4}\s{2,}|\s{2,}\d{1,4}$", "", text)


def _at_edges(rows: Sequence[Row], size: float, gap: float) -> Iterator[tuple[Row, bool]]:
    """What stands at the edges of a page and isn't printed larger than its text, and whether it
    is set off: apart from the text, or smaller."""
    lines = _lines(rows)
    # A page of few lines has all of them at an edge: half of them aren't looked at.
    most = min(_LEVELS, max(1, len(lines) // 3))
    for side in (lines, lines[::-1]):
        for line, inner in itertools.islice(itertools.pairwise(side), most):
            for row in line:
                apart = abs(row.y - inner[0].y) > _APART * gap
                large = row.size > _LARGEST_HEAD * size + 0.1
                if not large and len(row.text) <= _LONGEST_HEAD:
                    yield row, apart or row.size < _SMALLER * size


def _lines(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows from the top of the page down; all of what stands on a line together."""
    lines: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: -row.y):
        if not lines or lines[-1][-1].y - row.y > max(row.size, 1.0) * 0.5:
            lines.append([])
        lines[-1].append(row)
    return lines


def _numbered(text: str) -> list[tuple[str, list[int]]]:
    """(the text with # for its numbers, these); none where it has none. Any of them may count
    the pages: in `https://site/book-17 3/40` the second does."""
    if _ROMAN.fullmatch(text):
        return [("#", [value(text)])]
    numbers = [int(number) for number in _DIGITS.findall(text)]
    if not numbers:
        return []
    form = _DIGITS.sub("#", text).casefold()
    return [(re.sub(r"[\s\[\]()–—.·-]*#[\s\[\]()–—.·-]*", "#", form), numbers)]
