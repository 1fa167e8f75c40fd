"""From a folder to passages, in two passes, so that memory doesn't grow with the text.

1  each file: read, clean, cut, fingerprint  -> Store    (all cores, resumable)
2  fingerprints only: drop copies, choose sides
3  each file again, from the Store: passages, one at a time
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from styledial.data.copies.duplicates import Pool, drop_copies, drop_exact_copies, gather
from styledial.data.dialogues import Messages
from styledial.data.heldout.sides import Sides
from styledial.data.heldout.split import choose_sides
from styledial.data.overrides import NONE, Overrides
from styledial.data.passage import Dialogue, Passage, Split
from styledial.data.reading.read import Part
from styledial.data.reading.sources import find_sources
from styledial.data.store import Book, Store
from styledial.data.workers import make_all
from styledial.language import say
from styledial.progress import stage


@dataclass
class Prepared:
    """What was made of a folder. `passages` and `dialogues` read the store as they go.

    The counts of `books` are final once `passages` has been read to its end.
    """

    books: list[Book]
    notes: list[str]
    store: Store
    pool: Pool
    sides: Sides
    validation_split: float
    written: dict[str, int] = field(default_factory=dict)  # characters by side

    def passages(self) -> Iterator[Passage]:
        """Yield the kept text in order, and complete the counts of `books` and `written`."""
        self.written = {"train": 0, "heldout": 0}
        for number, book in enumerate(self.pool.books):
            left = book.talk
            if book.kept:
                for passage in self.passages_of(number):
                    left += len(passage.text)
                    self.written[passage.split] += len(passage.text)
                    yield passage
            self._count(book, self.pool.rows(number), left)

    def _count(self, book: Book, rows: np.ndarray, left: int) -> None:
        """Enter what of a book is in no passage: copies, and the gaps beside its held-out part."""
        missing = book.chars_out - left
        copies = min(missing, int(self.pool.length[rows][self.pool.gone[rows]].sum()))
        for reason, characters in (("duplicate", copies), ("gap", missing - copies)):
            if characters > 0:
                book.drops[reason] = book.drops.get(reason, 0) + characters
        book.chars_out = left

    def passages_of(self, number: int) -> Iterator[Passage]:
        """Those of one book of the pool."""
        book, rows = self.pool.books[number], self.pool.rows(number)
        last: Passage | None = None
        for row, part in zip(rows.tolist(), self.store.parts(book.key), strict=True):
            for passage in self._sided(row, part, book.file, part.ends or row == rows[-1]):
                if passage is None:
                    last = None
                    continue
                follows = (
                    last is not None
                    and not last.ends_book
                    and ((last.book, last.split) == (passage.book, passage.split))
                )
                last = _with(passage, follows)
                yield last

    def _sided(self, row: int, part: Part, file: str, ends: bool) -> Iterator[Passage | None]:
        """The passages of a piece; None for a gap."""
        text, book, chapter = part.piece.text, part.book or file, part.piece.chapter
        at = 0
        for start, end, side in [] if self.pool.gone[row] else self.sides.parts(row, len(text)):
            if start > at:
                yield None
            own = text[start:end].strip("\n")
            yield Passage(own, book, chapter, side, ends and end == len(text))
            at = end
        if at < len(text):
            yield None

    def dropped_copies(self) -> Iterator[tuple[Book, str]]:
        """(book, beginning of the text) of each piece that went as a copy of another."""
        for number, book in enumerate(self.pool.books):
            rows = self.pool.rows(number)
            if self.pool.gone[rows].any():
                for row, part in zip(rows, self.store.parts(book.key), strict=True):
                    if self.pool.gone[row]:
                        yield book, part.piece.text[:80].replace("\n", " ")

    def dialogues(self) -> Iterator[Dialogue]:
        """Each conversation once; those that open alike are on one side. Reads them twice."""
        held = _part_of(
            {_opening(messages) for _, messages in self._talks()}, self.validation_split
        )
        for book, messages in self._talks():
            side: Split = "heldout" if _opening(messages) in held else "train"
            yield Dialogue(messages, book.file, side)

    def _talks(self) -> Iterator[tuple[Book, Messages]]:
        seen: set[int] = set()
        for book in self.books:
            # A file whose novels are all copies still has its dialogues.
            if not book.dialogues or not (book.kept or book.pieces):
                continue
            for messages in self.store.talks(book.key):
                mark = _mark(str(messages))
                if mark not in seen:
                    seen.add(mark)
                    yield book, messages


def _opening(messages: Messages) -> int:
    first = next(m["content"] for m in messages if m["role"] == "user")
    return _mark("".join(first.split()))


def _part_of(marks: set[int], share: float) -> set[int]:
    """So many of them, the same ones at each run; of two or more at least one."""
    count = round(share * len(marks))
    if share > 0 and len(marks) > 1:
        count = min(max(count, 1), len(marks) - 1)
    return set(sorted(marks)[:count])


def prepare_folder(
    folder: Path,
    store: Path,
    validation_split: float,
    *,
    to_simplified: bool = False,
    dedup: bool = True,
    workers: int | None = None,
    leave_out: Collection[Path] = (),
    overrides: Overrides = NONE,
) -> Prepared:
    """Read every file of `folder`; `store` keeps what was made of each, by content.

    `workers`: processes, None for one a core. Memory: about 100 MB a process, and 70 MB in this
    one for each gigabyte of text. Raises DataError where `folder` is no folder.
    """
    sources = find_sources(folder, leave_out)
    shelf = Store(store, to_simplified, overrides)
    with stage(say("reading the texts", "读取文本")) as at:
        books = make_all(shelf, sources, workers, at)
    with stage(say("looking for copies", "查找重复内容")):
        drop_exact_copies(books) if dedup else None
        pool = gather(books, shelf)
        if dedup:
            drop_copies(pool, to_simplified)
    with stage(say("choosing what is held out", "划分留出部分")):
        sides = choose_sides(pool, validation_split, partial(_texts, pool, shelf))
    return Prepared(books, pool.notes, shelf, pool, sides, validation_split)


def _texts(pool: Pool, shelf: Store, rows: Collection[int]) -> dict[int, str]:
    """The texts of some pieces; reads their books once through."""
    found: dict[int, str] = {}
    for number in {int(pool.book[row]) for row in rows}:
        for row, part in zip(
            pool.rows(number).tolist(), shelf.parts(pool.books[number].key), strict=True
        ):
            if row in rows:
                found[row] = part.piece.text
    return found


def _with(passage: Passage, follows: bool) -> Passage:
    return Passage(
        passage.text, passage.book, passage.chapter, passage.split, passage.ends_book, follows
    )


def _mark(text: str) -> int:
    from hashlib import blake2b

    return int.from_bytes(blake2b(text.encode("utf-8"), digest_size=8).digest(), "big")
