"""A PDF with a text layer as lines: its paragraphs joined, what is printed large as headings.

    pages -> rows -> without running heads and page numbers -> paragraphs

A paragraph begins where a row is indented, stands apart or has another size; in a PDF without
indents and distances, behind a row that had room for another word. One whose rows mostly end
sentences, or have such room in mid-sentence, as verse has, gives them as they are.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from styledial.data.cleaning.hyphens import Hyphens
from styledial.data.cleaning.language import find_language
from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.cleaning.titles import Titles
from styledial.data.cleaning.unwrap import UNSPACED, ends_sentence, joint
from styledial.data.reading.pdf_pages import Row, edge_rows, rows_of, size_of_text, usual_gap
from styledial.data.reading.pdf_vertical import turned
from styledial.errors import DataError

_SCANNED = 20  # characters a page, below which a PDF is a row of pictures
_INDENT = 0.6  # of the size of the text: less is the play of a justified line
_WIDEST_INDENT = 6.0  # sizes of the text: what stands further right is another column
_APART = 1.35  # times the usual distance of two lines
_LARGE = 1.15  # times the size of the text: a heading, where few rows are so large
_MOST_LARGE = 0.1  # of the characters
_FEWEST_STARTS, _MOST_STARTS = 0.02, 0.95  # of the rows: outside, the marks mean something else
_SLACK = 4  # characters by which full rows differ, of short ones a quarter
_FEWEST_ROWS, _BROKEN = 8, 0.4  # rows, and the share in mid-sentence, of a text broken in rows
_SHORT = 0.7  # of a full row: so short a one ends its paragraph whatever its last mark is
_VERSE = 0.25  # of the rows in mid-sentence have room where the author broke them; of prose, 0.1
_CAPITALS = 0.7  # of the lines of verse in mid-sentence go on with one; of prose, few
_RUN = 4  # full rows one after the other: a paragraph
_MIXED = 0.34  # of the rows in such runs: prose with letters' heads or lists between
_NARROWEST = 12  # characters: no column of prose is so narrow
_WORD = re.compile(f"(?:(?!{UNSPACED.pattern})\\S)*")  # Chinese breaks behind any character
_LEADERS = re.compile(r"[.…·．]{3,} ?\d{1,4}$")  # a title and its page
_LONGEST_HEADING = 120  # characters


def pdf_lines(path: Path, pages: Sequence[Any], ledger: Ledger) -> Iterator[str]:
    """The lines of the pages of pypdf. Raises DataError where they have no text layer."""
    rows = [rows_of(page, number) for number, page in enumerate(pages, 1)]
    if sum(len(row.text) for page in rows for row in page) < _SCANNED * max(1, len(rows)):
        raise DataError(
            f"{path}: is scanned: its {len(rows)} pages have no text layer. Run OCR on it first.",
            f"{path}：是扫描件，{len(rows)} 页都没有文字层。请先做文字识别（OCR）。",
        )
    size = size_of_text([row for page in rows for row in page])
    is_title = Titles(())
    around, columns = turned(rows) or (rows, None)
    of_edition = edge_rows(around, size)
    lines = rows if columns is None else _with_columns(around, columns)
    text: list[Row] = []
    seen: set[str] = set()
    for row in itertools.chain.from_iterable(lines):
        first = row.text not in seen
        seen.add(row.text)
        why = of_edition.get(row, "")
        if why and not (first and why == "running head" and is_title(row.text)):
            _drop(ledger, row.text, why)
        else:
            text.append(row)
    for number, page in enumerate(rows, 1):
        if not page and _has_picture(pages[number - 1]):
            _drop(ledger, f"page {number}", "page without a text layer")
    yield from _paragraphs(text, size, is_title)


def _with_columns(around: list[list[Row]], columns: list[list[Row]]) -> list[list[Row]]:
    """The rows of pages of vertical lines: their columns, then what stands around those."""
    pages = zip(around, columns, strict=True)
    return [own + page[bool(own) :] for page, own in pages]


def _drop(ledger: Ledger, text: str, why: str) -> None:
    ledger.chars_in += len(text)
    ledger.drop(Line(0, text), why)


def _has_picture(page: Any) -> bool:
    objects = (page.get("/Resources") or {}).get("/XObject") or {}
    return any(objects[name].get("/Subtype") == "/Image" for name in objects)


class _Layout(NamedTuple):
    """How the book is set: the size of its text, its left margins by odd and even pages, the
    distance of two lines, the length of a full row; which marks its paragraphs have."""

    size: float
    margins: dict[int, list[float]]
    leading: float
    full: int
    indented: bool = False
    spaced: bool = False
    broken: bool = False
    verse: bool = False

    def indent(self, row: Row) -> float:
        """How far right of its column's margin a row begins."""
        margins = self.margins[row.page % 2]
        return row.x - max((x for x in margins if x <= row.x + 1), default=margins[0])

    def is_indented(self, row: Row) -> bool:
        return self.indent(row) > _INDENT * self.size

    def is_apart(self, before: Row, row: Row) -> bool:
        return before.page == row.page and before.y - row.y > _APART * self.leading

    def goes_on_below(self, before: Row, row: Row) -> bool:
        """Whether a row is the next line of the same column."""
        return before.page == row.page and row.y < before.y

    def had_room(self, row: Row, after: Row, full: float = 0) -> bool:
        """Whether the first word of the next row would have fitted on a row."""
        word = _WORD.match(after.text)
        room = 1 + max(1, len(word[0]) if word else 0)
        return len(row.text) + room <= (full or self.full) - min(_SLACK, self.full // 4)

    def is_last(self, row: Row, after: Row) -> bool:
        """Whether a row ends its paragraph: the next word would have fitted on it."""
        fits = self.had_room(row, after) and ends_sentence(row.text)
        return fits or self.is_short(row, after)

    def is_short(self, row: Row, after: Row) -> bool:
        """Whether a row has far more room than a broken line leaves: a salutation, a list."""
        return self.had_room(row, after, _SHORT * self.full)

    def differs(self, before: Row, row: Row) -> bool:
        return abs(row.size - before.size) > 0.08 * self.size


def _paragraphs(rows: list[Row], size: float, is_title: Callable[[str], bool]) -> Iterator[str]:
    layout = _layout(rows, size, is_title)
    large = sum(len(row.text) for row in rows if row.size >= _LARGE * size)
    headings = size > 0 and large <= _MOST_LARGE * sum(len(row.text) for row in rows)
    if layout.verse or not (layout.indented or layout.spaced or layout.broken):
        for i, row in enumerate(rows):
            if layout.verse and i and layout.is_apart(rows[i - 1], row):
                yield ""  # between two stanzas
            heads = headings and row.size >= _LARGE * size
            yield _line(row.text, heads and len(row.text) <= _LONGEST_HEADING)
        return
    language = find_language(row.text for row in rows)
    hyphens = Hyphens([Line(i, row.text) for i, row in enumerate(rows)], typeset=True)
    parts: list[str] = []
    for i, row in enumerate(rows):
        before = rows[i - 1] if i else row
        if parts and not _initial(before, row, layout):
            if _starts(before, row, layout, is_title):
                yield _line("".join(parts), headings and _heads(before, parts, size))
                parts = []
            else:
                parts[-1], space = joint(parts[-1], row.text, hyphens, language.spaced)
                parts.append(space)
        parts.append(row.text)
    if parts:
        yield _line("".join(parts), headings and _heads(rows[-1], parts, size))


def _line(text: str, heads: bool) -> str:
    # "# " at the start of a line would be taken for a heading.
    return f"# {text}" if heads else re.sub(r"^(#+)\s+", r"\1", text)


def _heads(row: Row, parts: list[str], size: float) -> bool:
    return row.size >= _LARGE * size and sum(map(len, parts)) <= _LONGEST_HEADING


def _initial(before: Row, row: Row, layout: _Layout) -> bool:
    """Whether the row before is a letter printed large at the head of this one."""
    alone = len(before.text) <= 2 and before.text.isalpha()
    return alone and before.size > 1.5 * layout.size and row.size < _LARGE * layout.size


def _starts(before: Row, row: Row, layout: _Layout, is_title: Callable[[str], bool]) -> bool:
    if layout.differs(before, row) or layout.is_indented(row):
        return True
    if layout.is_apart(before, row) or is_title(before.text) or is_title(row.text):
        return True
    if _LEADERS.search(before.text) or _LEADERS.search(row.text):
        return True
    if layout.indented or (layout.spaced and layout.goes_on_below(before, row)):
        return layout.is_short(before, row)
    return layout.is_last(before, row)


def _layout(rows: list[Row], size: float, is_title: Callable[[str], bool]) -> _Layout:
    text = [row for row in rows if abs(row.size - size) <= 0.5 and not is_title(row.text)]
    margins = {side: _margins(text, side, size) for side in (0, 1)}
    lengths = sorted(len(row.text) for row in text) or [0]
    layout = _Layout(size, margins, usual_gap(text, size), lengths[int(0.95 * (len(lengths) - 1))])
    indented = sum(map(layout.is_indented, text))
    apart = sum(layout.is_apart(a, b) for a, b in itertools.pairwise(text))
    few, most = _FEWEST_STARTS * len(text), _MOST_STARTS * len(text)
    open_rows = sum(not ends_sentence(row.text) for row in text)
    below = [
        (layout.had_room(a, b), b.text[0].isupper())
        for a, b in itertools.pairwise(text)
        if layout.goes_on_below(a, b) and not (layout.is_apart(a, b) or ends_sentence(a.text))
    ]
    many = len(text) >= _FEWEST_ROWS
    return layout._replace(
        indented=few < indented < most,
        spaced=few < apart < most,
        broken=many and open_rows >= _BROKEN * len(text),
        verse=many and _is_verse(below, layout.full),
    )


def _is_verse(pairs: list[tuple[bool, bool]], full: int) -> bool:
    """Whether rows end in mid-sentence where the width of the page didn't break them; `pairs`:
    (whether a row had room for more, whether the next begins with a capital)."""
    had_room = [room for room, _ in pairs]
    if len(pairs) >= _FEWEST_ROWS:
        capitals = sum(capital for _, capital in pairs)
        if full <= _NARROWEST or capitals >= _CAPITALS * len(pairs):
            return True
    runs = [sum(1 for _ in run) for room, run in itertools.groupby(had_room) if not room]
    of_prose = sum(run for run in runs if run >= _RUN) > _MIXED * len(had_room)
    many = sum(had_room) >= 2 and sum(had_room) >= _VERSE * len(had_room)
    return many and not of_prose


def _margins(rows: list[Row], side: int, size: float) -> list[float]:
    """Where the columns of the pages of one side begin; of a side with few rows, of all pages."""
    own = [row for row in rows if row.page % 2 == side]
    counts = Counter(round(row.x) for row in (own if len(own) >= 20 else rows))
    least = max(2, 0.02 * counts.total())
    margins: list[float] = []
    for x in sorted(x for x, count in counts.items() if count >= least) or [0]:
        if not margins or x - margins[-1] > _WIDEST_INDENT * size:
            margins.append(float(x))
    return margins
