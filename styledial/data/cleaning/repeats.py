"""Repeated paragraphs within a book: sites post a page again, or a chapter under two numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from styledial.data.cleaning.chapters import Paragraph
from styledial.data.cleaning.ledger import Ledger

# Bytes in UTF-8; a shorter paragraph may well come twice: 诗曰：, 当夜无事。, a salutation.
_LONG = 240
_MOST = 500_000  # paragraphs remembered, some 65 MB; a file of a gigabyte has ten times as many


def drop_repeats(paragraphs: Iterable[Paragraph], ledger: Ledger) -> Iterator[Paragraph]:
    """Each long paragraph once, and the short ones with it that stood beside it before too.

    A short paragraph goes only where its neighbour goes and was its neighbour the first time, so
    a formula stays as often as it is told. Memory: about 130 bytes for each of the book's first
    half a million paragraphs; later ones are compared with those.
    """
    seen: set[int] = set()
    pairs: set[int] = set()
    held: list[tuple[Paragraph, int]] = []  # short ones seen before: the next decides on them
    last = 0
    last_gone = False
    for paragraph in paragraphs:
        text = paragraph.line.text
        if not text:
            yield from (p for p, _ in held)
            held = []
            if not last_gone:
                yield paragraph
            continue
        mark = _mark(text)
        again = mark in seen
        gone = again and (_is_long(text) or (last_gone and hash((last, mark)) in pairs))
        if gone:
            yield from _before(held, mark, pairs, ledger)
            held = []
            ledger.drop(paragraph.line, "repeated paragraph")
        elif again:
            held.append((paragraph, mark))
        else:
            yield from (p for p, _ in held)
            held = []
            yield paragraph
        if len(seen) < _MOST:
            seen.add(mark)
            pairs.add(hash((last, mark)))
        last, last_gone = mark, gone
    yield from (p for p, _ in held)


def _before(
    held: list[tuple[Paragraph, int]], after: int, pairs: set[int], ledger: Ledger
) -> Iterator[Paragraph]:
    """Of the short paragraphs before a repeat, those that stood before it the first time go."""
    keep = len(held)
    for _, mark in reversed(held):
        if hash((mark, after)) not in pairs:
            break
        keep, after = keep - 1, mark
    for paragraph, _ in held[keep:]:
        ledger.drop(paragraph.line, "repeated paragraph")
    yield from (paragraph for paragraph, _ in held[:keep])


def _is_long(text: str) -> bool:
    return len(text) >= _LONG // 4 and len(text.encode("utf-8")) >= _LONG


def _mark(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8"), digest_size=8).digest(), "big")
