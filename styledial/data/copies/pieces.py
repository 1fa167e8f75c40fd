"""Chapters -> pieces of a few thousand characters, cut so that two copies are cut alike."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from styledial.data.boundaries import SENTENCE_END
from styledial.data.cleaning.chapters import Paragraph
from styledial.data.cleaning.ledger import Ledger

LEAST, MOST = 2000, 8000  # characters in a piece of a chapter that is longer


class Piece(NamedTuple):
    """Text under one chapter; `ordinal` counts chapters, also those without a title."""

    chapter: str | None
    ordinal: int
    text: str


def pieces(paragraphs: Iterable[Paragraph], ledger: Ledger) -> Iterator[Piece]:
    """Pieces in reading order; a chapter ends a piece, and a long one is cut at paragraphs.

    Where to cut is decided by the text itself (a checksum of the paragraph), not by counting
    from the start, so that a second copy with another banner is cut in the same places.
    """
    chapter: str | None = None
    ordinal = size = 0
    held: list[str] = []
    done: list[str] | None = None  # the piece before, which takes in a last line or two
    started = False
    for paragraph in _short(paragraphs):
        if paragraph.chapter != chapter:
            yield from _last(chapter, ordinal, done, held, ledger)
            ordinal += started
            chapter, held, size, done = paragraph.chapter, [], 0, None
        started = True
        text = paragraph.line.text
        if text or (held and held[-1]):
            held.append(text)
            size += len(text) + 1
        if size >= MOST or (size >= LEAST and _is_a_place_to_cut(text)):
            yield from _piece(chapter, ordinal, done or [], ledger)
            done, held, size = held, [], 0
    yield from _last(chapter, ordinal, done, held, ledger)


def _last(
    chapter: str | None, ordinal: int, done: list[str] | None, held: list[str], ledger: Ledger
) -> Iterator[Piece]:
    """What is left of a chapter; too little for a piece stays with the one before."""
    if done and sum(map(len, held)) < LEAST // 4:
        yield from _piece(chapter, ordinal, done + held, ledger)
        return
    yield from _piece(chapter, ordinal, done or [], ledger)
    yield from _piece(chapter, ordinal, held, ledger)


def _is_a_place_to_cut(text: str) -> bool:
    """True for one paragraph in six; marks and spaces, in which copies differ, don't count."""
    words = re.sub(r"\W", "", text[:40])[:12]
    return bool(words) and zlib.crc32(words.encode("utf-8")) % 6 == 0


def _piece(chapter: str | None, ordinal: int, held: list[str], ledger: Ledger) -> Iterator[Piece]:
    text = "\n".join(held).strip("\n")
    if text:
        ledger.chars_out += len(text)
        yield Piece(chapter, ordinal, text)


def _short(paragraphs: Iterable[Paragraph]) -> Iterator[Paragraph]:
    """A paragraph longer than a piece is cut after sentences; it was a page without breaks."""
    for paragraph in paragraphs:
        text = paragraph.line.text
        if len(text) <= MOST:
            yield paragraph
            continue
        start = 0
        while start < len(text):
            part = text[start : start + MOST]
            if start + MOST < len(text):
                ends = [m.end() for m in SENTENCE_END.finditer(part)]
                part = part[: ends[-1]] if ends else part
            yield paragraph._replace(line=paragraph.line._replace(text=part))
            start += len(part)
