"""One source -> its pieces and dialogues, whatever kind of file it is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from styledial.data.cleaning.clean import clean
from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.copies.pieces import Piece
from styledial.data.dialogues import Messages, is_dialogue, read_messages
from styledial.data.passage import Split
from styledial.data.reading.decode import Encoding, detect, lines
from styledial.data.reading.epub import epub_lines
from styledial.data.reading.records import is_empty, records, text_of, unknown_shape
from styledial.data.reading.sources import RECORDS

_OWN = {"text", "book", "chapter", "split"}


class Part(NamedTuple):
    """A piece of a book; `book` names a book inside a file of records, `split` is the side that
    an earlier run of this program put it on, `ends` marks the end of a text inside the file."""

    piece: Piece
    book: str | None = None
    split: Split | None = None
    ends: bool = False


def read(path: Path, ledger: Ledger, to_simplified: bool) -> tuple[str, Iterator[Part | Messages]]:
    """(encoding, what the file holds in order). Raises DataError or OSError, also while read."""
    with path.open("rb") as file:
        packed = file.read(4) == b"PK\x03\x04"
    if packed:  # by content: an .epub that was renamed to .txt is one still
        stream = clean(epub_lines(path, ledger), ledger, to_simplified=to_simplified, markdown=True)
        return "epub", map(Part, stream)
    encoding = detect(path)
    if encoding.bad:
        ledger.broken += encoding.bad
    if path.suffix.lower() in RECORDS:
        return encoding.name, _from_records(path, encoding, ledger, to_simplified)
    markdown = path.suffix.lower() in (".md", ".markdown")
    text = lines(path, encoding)
    stream = clean(text, ledger, to_simplified=to_simplified, markdown=markdown)
    return encoding.name, map(Part, stream)


def plain_lines(path: Path) -> Iterator[str]:
    """The lines of a file of any kind, not cleaned; of records, what they say. Raises DataError."""
    ledger = Ledger()
    encoding = detect(path)
    if path.suffix.lower() not in RECORDS:
        yield from lines(path, encoding)
        return
    for _, record in records(path, encoding, ledger):
        messages = read_messages(record) if is_dialogue(record) else None
        if messages:
            yield from (message["content"] for message in messages)
        elif text := text_of(record):
            yield from text[0]


def _from_records(
    path: Path, encoding: Encoding, ledger: Ledger, to_simplified: bool
) -> Iterator[Part | Messages]:
    ordinals = itertools.count()
    unknown: list[str] = []
    used = False
    for (book, own), group in itertools.groupby(
        records(path, encoding, ledger), lambda pair: _book_of(pair[1])
    ):
        if own:
            used = True
            yield from _own_output(book, group, ordinals, ledger)
            continue
        for number, record in group:
            if is_dialogue(record):
                used = True
                yield from _dialogue(number, record, ledger)
            elif (text := text_of(record)) is not None:
                used = True
                yield from _document(*text, ordinals, ledger, to_simplified)
            elif is_empty(record):
                ledger.drop(Line(number, str(record)), "empty record")
            else:
                unknown = unknown or [str(key) for key in record]
                ledger.drop(Line(number, str(record)), "neither text nor a dialogue")
    if unknown and not used:
        raise unknown_shape(path, unknown)


def _book_of(record: dict[str, Any]) -> tuple[str | None, bool]:
    own = record.keys() >= _OWN and record["split"] in ("train", "heldout")
    return (str(record["book"]) if own else None), own


def _own_output(
    book: str | None,
    group: Iterator[tuple[int, dict[str, Any]]],
    ordinals: Iterator[int],
    ledger: Ledger,
) -> Iterator[Part]:
    """Passages that this program wrote, as they are: cleaned and split already."""
    waiting: Part | None = None
    chapter: object = object()
    ordinal = 0
    for _, record in group:
        if record["chapter"] != chapter:
            chapter, ordinal = record["chapter"], next(ordinals)
        if waiting:
            yield waiting
        text = str(record["text"]).encode("utf-8", "ignore").decode("utf-8")
        title = None if record["chapter"] is None else str(record["chapter"])
        ledger.chars_out += len(text)
        waiting = Part(Piece(title, ordinal, text), book, record["split"])
    if waiting:
        yield waiting._replace(ends=True)


def _document(
    rows: list[str], titled: bool, ordinals: Iterator[int], ledger: Ledger, to_simplified: bool
) -> Iterator[Part]:
    """One record's text, cleaned as a book of its own."""
    inner = Ledger(listed=ledger.listed)
    waiting: Piece | None = None
    shift = next(ordinals)
    for piece in clean(rows, inner, to_simplified=to_simplified, markdown=titled):
        if waiting:
            yield Part(waiting)
            shift = next(ordinals) if piece.ordinal != waiting.ordinal else shift
        waiting = piece._replace(ordinal=shift)
    if waiting:
        yield Part(waiting, ends=True)
    ledger.chars_out += inner.chars_out
    ledger.broken += inner.broken
    ledger.odd += inner.odd
    ledger.drops.update(inner.drops)


def _dialogue(number: int, record: dict[str, Any], ledger: Ledger) -> Iterator[Messages]:
    messages = read_messages(record)
    if messages is None:
        ledger.drop(Line(number, str(record)), "a dialogue without user and assistant by turns")
    else:
        ledger.chars_out += sum(len(message["content"]) for message in messages)
        yield messages
