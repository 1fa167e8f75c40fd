"""The lines of one book -> its pieces, through steps that each say what they dropped.

    lines -> without_marks -> drop_wrappers -> normalise -> drop_junk -> unwrap -> structure
          -> drop_emphasis -> separate_front -> drop_notes -> drop_authors_notes -> (simplify)
          -> unify_quotes -> drop_repeats -> (restore) -> pieces

Each step is a generator over lines or paragraphs, so a book of any size passes through in the
memory of one chapter. What a step has to know of the book as a whole (its language, wrapping,
quotation marks, way of numbering) it learns from the first lines.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator

from styledial.data.cleaning.authors import drop_authors_notes
from styledial.data.cleaning.chapters import Paragraph, structure
from styledial.data.cleaning.editions import drop_wrappers
from styledial.data.cleaning.emphasis import drop_emphasis, marks_of
from styledial.data.cleaning.front import drop_notes, separate_front
from styledial.data.cleaning.hyphens import Hyphens
from styledial.data.cleaning.junk import drop_junk
from styledial.data.cleaning.language import Language, find_language
from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.cleaning.letter_forms import as_written
from styledial.data.cleaning.normalise import has_markup, normalise
from styledial.data.cleaning.page_marks import without_marks
from styledial.data.cleaning.quotes import find_form, unify_quotes
from styledial.data.cleaning.repeats import drop_repeats
from styledial.data.cleaning.script import is_traditional, simplified
from styledial.data.cleaning.titles import Titles
from styledial.data.cleaning.typography import is_spread
from styledial.data.cleaning.unnumbered import listed_titles, note_underlined, underlines_titles
from styledial.data.cleaning.unwrap import find_wrap, is_spaced, unwrap
from styledial.data.copies.pieces import Piece, pieces

_SAMPLE_LINES = 4000
_SAMPLE_CHARS = 2_000_000


def clean(
    lines: Iterable[str], ledger: Ledger, *, to_simplified: bool = False, markdown: bool = False
) -> Iterator[Piece]:
    """The pieces of a book; `ledger` holds the counts once they have all been taken."""
    numbered = _counted(lines, ledger)
    raw = _first(numbered)
    if not markdown:
        strong = Titles(())
        numbered = without_marks(itertools.chain(raw, numbered), raw, ledger, strong)
        raw = _first(numbered)
    language = find_language(line.text for line in raw)
    listed = set(listed_titles(raw))
    if underlines_titles(raw):
        numbered = note_underlined(itertools.chain(raw, numbered), listed, ledger)
        raw = _first(numbered)
    strong = Titles((), markdown, listed=listed)
    unwrapped = drop_wrappers(itertools.chain(raw, numbered), raw, ledger, strong)
    spread = language.chinese and is_spread(raw)
    uniform = normalise(unwrapped, ledger, language, spread, has_markup(raw))
    known = _first(uniform)
    titles = Titles(known, markdown, ledger.overrides.keeps, listed)
    old = language.chinese and is_traditional(line.text for line in known)
    sound = drop_junk(itertools.chain(known, uniform), ledger, titles, old)
    paragraphs = _paragraphs(sound, titles, language)
    parted = structure(paragraphs, titles, ledger)
    prose = drop_emphasis(parted, ledger, marks_of(known), markdown or language.spaced)
    prose = drop_notes(separate_front(prose, ledger), ledger)
    prose = drop_authors_notes(prose, ledger, language.code)
    if to_simplified:
        prose = simplify(prose)
    if language.chinese or to_simplified:
        prose = unify_quotes(prose, "curved" if to_simplified else find_form(known))
    whole = drop_repeats(prose, ledger)
    return pieces(restore(whole, ledger) if ledger.overrides.keep else whole, ledger)


def restore(paragraphs: Iterable[Paragraph], ledger: Ledger) -> Iterator[Paragraph]:
    """The paragraphs with the lines that the user keeps, each before the first that follows it."""
    chapter: str | None = None
    for paragraph in paragraphs:
        chapter = paragraph.chapter
        yield from _due(ledger, paragraph.line.number, chapter)
        yield paragraph
    yield from _due(ledger, sys.maxsize, chapter)


def _due(ledger: Ledger, number: int, chapter: str | None) -> Iterator[Paragraph]:
    due = [line for line in ledger.restored if line.number < number]
    ledger.restored = [line for line in ledger.restored if line.number >= number]
    for line in sorted(due):
        yield Paragraph(chapter, Line(line.number, line.text.strip()))


def _paragraphs(sound: Iterator[Line], titles: Titles, language: Language) -> Iterator[Line]:
    """Lines joined where the width of the page had broken them. Blank lines between all lines
    mean nothing, and stand in the way of joining where the broken lines are so spaced."""
    sample = _first(sound)
    spaced = is_spaced(sample)
    dense = [line for line in sample if line.text.strip()] if spaced else sample
    wrap = find_wrap(dense, language)
    lines: Iterator[Line] = itertools.chain(sample, sound)
    if spaced:
        lines = (line for line in lines if line.text.strip())
    return unwrap(lines, wrap, titles, Hyphens(sample) if wrap and language.spaced else None)


def _counted(lines: Iterable[str], ledger: Ledger) -> Iterator[Line]:
    for number, text in enumerate(map(as_written, lines), 1):
        ledger.chars_in += len(text) + 1
        line = Line(number, text)
        if ledger.overrides.drop and ledger.overrides.drops(text):
            ledger.drop(line, "data.drop")
        else:
            yield line


def _first(lines: Iterator[Line]) -> list[Line]:
    sample: list[Line] = []
    size = 0
    for line in lines:
        sample.append(line)
        size += len(line.text)
        if len(sample) >= _SAMPLE_LINES or size >= _SAMPLE_CHARS:
            break
    return sample


def simplify(paragraphs: Iterable[Paragraph]) -> Iterator[Paragraph]:
    """Traditional characters to simplified ones, titles too."""
    for paragraph in paragraphs:
        line = paragraph.line
        chapter = simplified(paragraph.chapter) if paragraph.chapter else None
        yield Paragraph(chapter, Line(line.number, simplified(line.text)))
