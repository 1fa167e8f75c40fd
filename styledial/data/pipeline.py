"""From a folder to passages, in two passes, so that memory doesn't grow with the text.

1  each file: read, clean, cut, fingerprint  -> Store    (all cores, resumable)
2  fingerprints only: drop copies, choose sides
3  each file again, from the Store: passages, one at a time
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from styledial.data.copies.duplicates import Pool, drop_copies, drop_exact_copies, gather
from styledial.data.overrides import NONE, Overrides
from styledial.data.passage import Dialogue, Passage, Split
from styledial.data.reading.read import Part
from styledial.data.reading.sources import find_sources
from styledial.data.split import Sides, choose_sides
from styledial.data.store import Book, Store
from styledial.data.workers import Progress, make_all


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
        self.written = {"train": 0, "heldout": 0}
        for number, book in enumerate(self.pool.books):
            left = book.talk
            if book.kept:
                for passage in self.passages_of(number):
                    left += len(passage.text)
                    self.written[passage.split] += len(passage.text)
                    yield passage
            if book.chars_out > left:
                book.drops["duplicate"] = book.drops.get("duplicate", 0) + book.chars_out - left
                book.chars_out = left

    def passages_of(self, number: int) -> Iterator[Passage]:
        """Those of one book of the pool."""
        book, rows = self.pool.books[number], self.pool.rows(number)
        last: Passage | None = None
        for row, part in zip(rows, self.store.parts(book.key), strict=True):
            if self.pool.gone[row]:
                last = None
                continue
            ends = part.ends or bool(row == rows[-1])
            for passage in self._sided(row, part, book.file, ends):
                follows = (
                    last is not None
                    and not last.ends_book
                    and ((last.book, last.split) == (passage.book, passage.split))
                )
                last = _with(passage, follows)
                yield last

    def _sided(self, row: int, part: Part, file: str, ends: bool) -> Iterator[Passage]:
        text, book, chapter = part.piece.text, part.book or file, part.piece.chapter
        cut = _tail(text, int(self.sides.cut[row]))
        if cut:
            yield Passage(text[:cut].rstrip("\n"), book, chapter)
            yield Passage(text[cut:].lstrip("\n"), book, chapter, "heldout", ends)
            return
        side: Split = "heldout" if self.sides.heldout[row] else "train"
        yield Passage(text, book, chapter, side, ends)

    def dropped_copies(self) -> Iterator[tuple[Book, str]]:
        """(book, beginning of the text) of each piece that went as a copy of another."""
        for number, book in enumerate(self.pool.books):
            rows = self.pool.rows(number)
            if self.pool.gone[rows].any():
                for row, part in zip(rows, self.store.parts(book.key), strict=True):
                    if self.pool.gone[row]:
                        yield book, part.piece.text[:80].replace("\n", " ")

    def dialogues(self) -> Iterator[Dialogue]:
        """Each conversation once; those that open alike are on one side."""
        seen: set[int] = set()
        for book in self.books:
            # A file whose novels are all copies still has its dialogues.
            if not book.dialogues or not (book.kept or book.pieces):
                continue
            for messages in self.store.talks(book.key):
                mark = _mark(str(messages))
                if mark in seen:
                    continue
                seen.add(mark)
                opening = next(m["content"] for m in messages if m["role"] == "user")
                part = _mark("".join(opening.split())) / 2**64
                side: Split = "heldout" if part < self.validation_split else "train"
                yield Dialogue(messages, book.file, side)


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
    progress: Progress = lambda book, done, total: None,
) -> Prepared:
    """Read every file of `folder`; `store` keeps what was made of each, by content.

    `workers`: processes, None for one a core. Memory: about 100 MB a process, and 70 MB in this
    one for each gigabyte of text. Raises DataError where `folder` is no folder.
    """
    sources = find_sources(folder, leave_out)
    shelf = Store(store, to_simplified, overrides)
    books = make_all(shelf, sources, workers, progress)
    drop_exact_copies(books) if dedup else None
    pool = gather(books, shelf)
    if dedup:
        drop_copies(pool, to_simplified)
    return Prepared(
        books, pool.notes, shelf, pool, choose_sides(pool, validation_split), validation_split
    )


def _tail(text: str, length: int) -> int:
    """Where about the last `length` characters begin: at a line, else a sentence; 0: nowhere."""
    at = len(text) - length
    if not length:
        return 0
    cut = text.find("\n", at) + 1 or text.rfind("\n", 0, at) + 1
    if not cut:
        ends = [text.find(mark, at) + 1 for mark in "。！？"]
        cut = min((end for end in ends if end), default=0)
    return cut if 0 < cut < len(text) else 0


def _with(passage: Passage, follows: bool) -> Passage:
    return Passage(
        passage.text, passage.book, passage.chapter, passage.split, passage.ends_book, follows
    )


def _mark(text: str) -> int:
    from hashlib import blake2b

    return int.from_bytes(blake2b(text.encode("utf-8"), digest_size=8).digest(), "big")
