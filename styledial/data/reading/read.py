"""One source -> its pieces and dialogues, whatever kind of file it is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from styledial.data.cleaning.clean import clean
from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.copies.pieces import Piece
from styledial.data.dialogues import Messages, is_dialogue, read_messages
from styledial.data.passage import Split
from styledial.data.reading.archives import LARGEST, Budget, members
from styledial.data.reading.decode import as_named, detect, lines
from styledial.data.reading.formats import FORMATS, format_lines, kind_of
from styledial.data.reading.records import holds_records, is_empty, records, text_of, unknown_shape
from styledial.data.reading.sources import ARCHIVES, MEMBERS, RECORDS
from styledial.data.reading.tables import table_rows
from styledial.errors import DataError

_OWN = {"text", "book", "chapter", "split"}

# No part of these may hold what the next begins with, so that a line of brackets is read once.
_LINK = re.compile(r"\[([^\[\]]*)\]\(([^()\s]+)(?: \"[^\"]{0,200}\")?\)")
_PICTURE = re.compile("!" + _LINK.pattern)
_NOTE, _NOTE_MARK = re.compile(r"\[\^[^\]\s]{1,40}\]:"), re.compile(r"\[\^[^\]\s]{1,40}\]")
_TARGET = re.compile(
    r"(?:https?|ftp|file|mailto|data):|www\.|#|\.{0,2}/|[^?#]*\.(?:x?html?|md|txt|pdf|epub|php|aspx?|"
    r"png|jpe?g|gif|svg|webp|bmp|avif|com|net|org|cn)(?:[/?#]|$)",
    re.I,
)


class Part(NamedTuple):
    """A piece of a book; `book` names a book inside a file of records, `split` is the side that
    an earlier run of this program put it on, `ends` marks the end of a text inside the file."""

    piece: Piece
    book: str | None = None
    split: Split | None = None
    ends: bool = False


def read(
    path: Path, ledger: Ledger, to_simplified: bool, named: str = ""
) -> tuple[str, Iterator[Part | Messages]]:
    """(encoding, what the file holds in order). Raises DataError or OSError, also while read.

    `named`: the encoding that the user gives for the file, in place of the one found.
    """
    kind = kind_of(path)
    if kind in ("zip", "tar", "gz"):
        return kind, _from_members(path, kind, ledger, to_simplified)
    if kind in ("csv", "parquet"):
        pairs = table_rows(path, kind, ledger)
        return kind, _from_records(path, pairs, ledger, to_simplified)
    if kind in FORMATS:  # by content: an .epub that was renamed to .txt is one still
        text = format_lines(path, kind, ledger)
        return kind, map(Part, clean(text, ledger, to_simplified=to_simplified, markdown=True))
    encoding = as_named(path, named) if named else detect(path)
    ledger.broken += encoding.bad
    if path.suffix.lower() in RECORDS or holds_records(path, encoding):
        pairs = records(path, encoding, ledger)
        return encoding.name, _from_records(path, pairs, ledger, to_simplified)
    markdown = path.suffix.lower() in (".md", ".markdown")
    rows = lines(path, encoding)
    rows = map(without_links, without_notes(rows, ledger)) if markdown else rows
    stream = clean(rows, ledger, to_simplified=to_simplified, markdown=markdown)
    return encoding.name, map(Part, stream)


def without_notes(rows: Iterator[str], ledger: Ledger) -> Iterator[str]:
    """Markdown without its notes, `[^1]: …` with what is indented below, and their marks."""
    within = False
    for number, row in enumerate(rows, 1):
        within = _NOTE.match(row) is not None or (within and row[:1] in (" ", "\t"))
        if within:
            ledger.chars_in += len(row) + 1
            ledger.drop(Line(number, row), "footnote")
        else:
            yield _NOTE_MARK.sub("", row) if "[^" in row else row


def without_links(line: str) -> str:
    """A line of Markdown without pictures and the addresses of links; a quotation without its >."""
    if "](" in line:
        line = _LINK.sub(_words_of, _PICTURE.sub(_words_of, line))
    return re.sub(r"^(?:> ?)+", "", line) if line.startswith(">") else line


def _words_of(link: re.Match[str]) -> str:
    """What is read of a link or picture; all of it where its end is no address: [旁白](轻声)."""
    if not _TARGET.match(link[2]):
        return link[0]
    return "" if link[0].startswith("!") else link[1]


def _from_members(
    path: Path,
    kind: str,
    ledger: Ledger,
    to_simplified: bool,
    within: Budget | None = None,
) -> Iterator[Part | Messages]:
    """The members of an archive, each a book of its own name; `within`: what an archive that it
    is in may still unpack. Archives in such a one aren't unpacked."""
    shift, used, refused = 0, False, ""
    budget = within or Budget(LARGEST)
    kinds = MEMBERS if within else MEMBERS + ARCHIVES
    for name, place in members(path, kind, kinds, ledger, budget):
        waiting: Part | None = None
        try:
            for item in _member(place, ledger, to_simplified, None if within else budget):
                used = True
                if not isinstance(item, Part):
                    yield item
                    continue
                if waiting:
                    yield waiting
                piece = item.piece._replace(ordinal=item.piece.ordinal + shift)
                book = f"{name}/{item.book}" if item.book and _is_archive(name) else name
                waiting = item._replace(piece=piece, book=book)
        except DataError as error:
            why = str(error).split(f"{place}", 1)[-1].lstrip(":： ")
            refused = refused or f"{name}: {why}"
            ledger.chars_in += len(name)
            ledger.drop(Line(0, f"{name}: {why}"), "member refused", name)
        if waiting:
            shift = waiting.piece.ordinal + 1
            yield waiting._replace(ends=True)
    if not used and refused:
        raise DataError(f"{path}: {refused}", f"{path}：{refused}")
    if not used:
        raise DataError(
            f"{path}: holds no file of a kind that is read. Unpack it, and archives inside it, "
            "into the folder.",
            f"{path}：其中没有可读取的文件。请将它和内层的压缩包解压到文件夹中。",
        )


def _is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVES)


def _member(
    place: Path, ledger: Ledger, to_simplified: bool, budget: Budget | None
) -> Iterator[Part | Messages]:
    """What a member holds; `budget` is None where it may not be an archive itself."""
    kind = kind_of(place)
    if kind not in ("zip", "tar", "gz"):
        yield from read(place, ledger, to_simplified)[1]
    elif budget is not None:
        yield from _from_members(place, kind, ledger, to_simplified, budget)
    else:
        raise DataError(
            f"{place}: is an archive in an archive inside an archive; unpack it into the folder.",
            f"{place}：是多层嵌套的压缩包，请解压到文件夹中。",
        )


def plain_lines(path: Path) -> Iterator[str]:
    """The lines of a file of any kind, not cleaned; of records, what they say. Raises DataError."""
    ledger = Ledger()
    kind = kind_of(path)
    if kind in FORMATS:
        yield from (row.removeprefix("# ") for row in format_lines(path, kind, ledger))
        return
    if kind in ("csv", "parquet"):
        pairs = table_rows(path, kind, ledger)
    elif path.suffix.lower() in RECORDS:
        pairs = records(path, detect(path), ledger)
    else:
        yield from lines(path, detect(path))
        return
    for _, record in pairs:
        messages = read_messages(record) if is_dialogue(record) else None
        if messages:
            yield from (message["content"] for message in messages)
        elif text := text_of(record):
            yield from text[0]


def _from_records(
    path: Path,
    pairs: Iterator[tuple[int, dict[str, Any]]],
    ledger: Ledger,
    to_simplified: bool,
) -> Iterator[Part | Messages]:
    ordinals = itertools.count()
    unknown: list[str] = []
    used = False
    for (book, own), group in itertools.groupby(pairs, lambda pair: _book_of(pair[1])):
        if own:
            used = True
            yield from _own_output(book, group, ordinals, ledger)
            continue
        for number, record in group:
            if is_dialogue(record):
                found = list(_dialogue(number, record, ledger))
                used = used or bool(found)
                unknown = unknown or [str(key) for key in record]
                yield from found
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
    inner = Ledger(listed=ledger.listed, overrides=ledger.overrides)
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
