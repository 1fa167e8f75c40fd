"""Emphasis marks and footnotes, which belong to an edition rather than to the prose."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from styledial.data.cleaning.chapters import Paragraph
from styledial.data.cleaning.ledger import Ledger, Line

_ITALICS = re.compile(r"(?<![\w_])_(?=[^\s_])([^_\n]{1,600}?)(?<=[^\s_])_(?![\w_])")
_STARS = re.compile(
    r"(?<!\*)\*\*(?=[^\s*])([^*\n]{1,400}?)(?<=[^\s*])\*\*(?!\*)"
    r"|(?<![\w*])\*(?=[^\s*])([^*\n]{1,400}?)(?<=[^\s*])\*(?![\w*])"
)
_BOLD = re.compile(r"(?<![\w=])=(?=[^\W_])([^=\n]{1,200}?)(?<=[^\s=])=(?![\w=])")
_PICTURE = re.compile(r"\[(?:Illustration|Image|Abbildung|Картинка)(?::[^\]]{0,300})?\]", re.I)
_FOOTNOTE = re.compile(
    r"\[(?:Footnote|Note|Anmerkung|Nota|Сноска|Примечание)\s*[\w*]{0,4}\s*[:.].*"
    r"|\[(?:\d{1,3}|\*)\][:.]?\s+\S.*|\{\d{1,3}\}\s+\S.*",
    re.I,
)
_MARKER = re.compile(r"(?<=\S)\[(?:\d{1,3}|\*|[A-Z])\]|(?<=\S)\{\d{1,3}\}")
# Where a page of the paper book began: [Pg 12]; {12} where such numbers rise through the book.
_PAGE = re.compile(
    r"[ \u00a0]?\[(?:pg|page|p)(?:\.? ?\d{1,4}|[. ] ?[ivxlc]{1,7})\](?=\s|$)|"  # no [Pill]
    r"\[(?:pg|page) (?:\d{1,4}|[ivxlc]{1,7})\] ?",
    re.I,
)
_BRACED_PAGE = re.compile(r"[ \u00a0]?(?<!\S)\{(\d{1,4})\}(?=\s|$)")
_COUNTED = re.compile(r"(?<=[^\W\d_]|[.,;:!?”’\"'»」』。，；：！？])\[(\d{1,3})\]")
_FEWEST_PAGES = 5
_TRANSCRIBER = re.compile(r"\[Transcriber.?s.? notes?\b.*", re.I)
_LONGEST_NOTE = 5000  # characters of a note whose bracket is still open


class Marks(NamedTuple):
    """What marks of an edition stand in a book: `[1]` for notes, `{12}` for pages."""

    notes: bool = False
    pages: bool = False


def marks_of(sample: Sequence[Line]) -> Marks:
    """The marks of a book: of notes where it has notes of the form `[1] …`, or marks that count
    from 1 though their notes are far behind them or gone; of pages where their numbers rise."""
    noted = False
    numbers: list[int] = []
    pages: list[int] = []
    for line in sample:
        if "[" in line.text:
            noted = noted or _FOOTNOTE.fullmatch(line.text.strip()) is not None
            numbers += map(int, _COUNTED.findall(line.text))
        if "{" in line.text:
            pages += map(int, _BRACED_PAGE.findall(line.text))
    counted = numbers[:1] == [1] and _rise(numbers, restart=True)
    return Marks(noted or counted, len(pages) >= _FEWEST_PAGES and _rise(pages))


def _rise(numbers: Sequence[int], restart: bool = False) -> bool:
    if restart:
        return all(b in (1, a, a + 1) for a, b in itertools.pairwise(numbers))
    return all(a < b for a, b in itertools.pairwise(numbers))


def drop_emphasis(
    paragraphs: Iterable[Paragraph], ledger: Ledger, marks: Marks, stars: bool
) -> Iterator[Paragraph]:
    """Prose without `_italics_`, `*stars*`, pictures' captions, footnotes and their markers.

    `stars`: whether stars are emphasis; in Chinese files they stand in for lost characters.
    """
    for paragraph in _without_notes(paragraphs, ledger, marks):
        text = paragraph.line.text
        kept = _plain(paragraph.line, ledger, marks, stars)
        if kept is not text:
            paragraph = paragraph._replace(line=Line(paragraph.line.number, kept))
        if kept or not text:
            yield paragraph


def _without_notes(
    paragraphs: Iterable[Paragraph], ledger: Ledger, marks: Marks
) -> Iterator[Paragraph]:
    """Paragraphs that are no notes. `[Footnote 1: …` goes on to its closing bracket; where there is
    none in the chapter, it was forgotten, and only the paragraph that it opens is a note."""
    held: list[Paragraph] = []
    for paragraph in paragraphs:
        size = sum(len(each.line.text) for each in held)
        if held and (paragraph.chapter != held[0].chapter or size > _LONGEST_NOTE):
            yield from _unclosed(held, ledger, marks)
            held = []
        if not held and not _is_note(paragraph.line.text, marks):
            yield paragraph
            continue
        held.append(paragraph)
        if not _is_open(held):
            _drop_all(held, ledger)
            held = []
    yield from _unclosed(held, ledger, marks)


def _unclosed(held: list[Paragraph], ledger: Ledger, marks: Marks) -> Iterator[Paragraph]:
    _drop_all(held[:1], ledger)
    yield from _without_notes(held[1:], ledger, marks) if held[1:] else ()


def _is_note(text: str, marks: Marks) -> bool:
    if text[:1] == "[" and _TRANSCRIBER.fullmatch(text):
        return True
    return (marks.notes or text[:1] == "{") and _FOOTNOTE.fullmatch(text) is not None


def _is_open(held: list[Paragraph]) -> bool:
    """Whether the bracket of the note that the first paragraph begins is still to be closed."""
    if re.match(r"\[[A-Za-zА-я]", held[0].line.text) is None:
        return False
    return sum(p.line.text.count("[") - p.line.text.count("]") for p in held) > 0


def _drop_all(notes: Iterable[Paragraph], ledger: Ledger) -> None:
    for paragraph in notes:
        if paragraph.line.text:
            ledger.drop(paragraph.line, "footnote")


def _plain(line: Line, ledger: Ledger, marks: Marks, stars: bool) -> str:
    text = line.text
    if "[" in text or "{" in text:
        text = _taken(_PICTURE, text, line, "illustration", ledger).strip()
        text = _taken(_PAGE, text, line, "page number", ledger)
        if marks.pages:
            text = _taken(_BRACED_PAGE, text, line, "page number", ledger).strip()
        if marks.notes or "{" in text:
            text = _taken(_MARKER, text, line, "footnote", ledger)
    if "_" in text and (found := _ITALICS.findall(text)):
        ledger.drop(line, "emphasis", "__" * len(found))
        text = _ITALICS.sub(r"\1", text)
    if stars and "=" in text and (bold := _BOLD.findall(text)):
        ledger.drop(line, "emphasis", "==" * len(bold))
        text = _BOLD.sub(r"\1", text)
    if stars and "*" in text:
        bare = _STARS.sub(lambda m: m[1] or m[2], text)
        if bare != text:
            ledger.drop(line, "emphasis", "*" * (len(text) - len(bare)))
            text = bare
    return text


def _taken(pattern: re.Pattern[str], text: str, line: Line, reason: str, ledger: Ledger) -> str:
    for found in pattern.finditer(text):
        ledger.drop(line, reason, found[0])
    return pattern.sub("", text)
