"""The lines of one book -> its pieces, through steps that each say what they dropped.

    lines -> normalise -> drop_junk -> unwrap -> structure -> separate_front -> drop_notes
          -> (simplify) -> unify_quotes -> drop_repeats -> pieces

Each step is a generator over lines or paragraphs, so a book of any size passes through in the
memory of one chapter. What a step has to know of the book as a whole (its wrapping, quotation
marks, way of numbering) it learns from the first lines.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from styledial.data.cleaning.chapters import Paragraph, Titles, structure
from styledial.data.cleaning.front import drop_notes, separate_front
from styledial.data.cleaning.junk import drop_junk
from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.cleaning.normalise import normalise
from styledial.data.cleaning.quotes import find_form, unify_quotes
from styledial.data.cleaning.repeats import drop_repeats
from styledial.data.cleaning.unwrap import find_wrap, is_spaced, unwrap
from styledial.data.copies.pieces import Piece, pieces

_SAMPLE_LINES = 4000
_SAMPLE_CHARS = 2_000_000


def clean(
    lines: Iterable[str], ledger: Ledger, *, to_simplified: bool = False, markdown: bool = False
) -> Iterator[Piece]:
    """The pieces of a book; `ledger` holds the counts once they have all been taken."""
    numbered = _counted(lines, ledger)
    sound = drop_junk(normalise(numbered, ledger), ledger)
    sample = _first(sound)
    titles = Titles(sample, markdown)
    joined = unwrap(itertools.chain(sample, sound), find_wrap(sample), titles)
    if is_spaced(sample):
        joined = (line for line in joined if line.text)
    prose = drop_notes(separate_front(structure(joined, titles, ledger), ledger), ledger)
    if to_simplified:
        prose = simplify(prose)
    form = "curved" if to_simplified else find_form(sample)
    return pieces(drop_repeats(unify_quotes(prose, form), ledger), ledger)


def _counted(lines: Iterable[str], ledger: Ledger) -> Iterator[Line]:
    for number, text in enumerate(lines, 1):
        ledger.chars_in += len(text) + 1
        yield Line(number, text)


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
    """Traditional characters to simplified ones, by OpenCC's t2s table (phrases first)."""
    convert = converter().convert
    for paragraph in paragraphs:
        line = paragraph.line
        chapter = convert(paragraph.chapter) if paragraph.chapter else None
        yield Paragraph(chapter, Line(line.number, convert(line.text)))


@lru_cache(maxsize=1)
def converter() -> Any:
    """OpenCC, traditional to simplified."""
    from opencc import OpenCC

    return OpenCC("t2s")
