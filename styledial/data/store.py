"""A disk cache of processed files, keyed by the hash of their content.

    KEY.jsonl   ["part", chapter, ordinal, text, book, split, ends] per piece,
                ["talk", messages] per dialogue, ["drop", line, reason, text] per thing dropped
    KEY.npz     the counts, and the fingerprints of the pieces; written last, so its presence
                says that the other is whole

A run that was interrupted finds here what it had finished. Nothing is ever changed in place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np

from styledial.data.cleaning.ledger import Drop, Ledger
from styledial.data.copies.fingerprint import Fingerprint, fingerprint
from styledial.data.copies.minhash import PERMUTATIONS
from styledial.data.copies.pieces import Piece
from styledial.data.overrides import NONE, Overrides
from styledial.data.reading.read import Part, read
from styledial.data.reading.score import RARE, tally
from styledial.data.reading.sources import Source
from styledial.errors import DataError
from styledial.files import is_of_writing, written_aside
from styledial.language import say

_FORM = "15"  # of the files here and of the cleaning; raise it when either changes


@dataclass
class Book:
    """The counts of one file. `kept` is false with a `reason` where it gives no text."""

    file: str
    key: str = ""
    sha256: str = ""
    encoding: str | None = None
    chars_in: int = 0
    chars_out: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    kept: bool = True
    reason: str = ""
    pieces: int = 0
    dialogues: int = 0
    talk: int = 0  # characters of these
    broken: int = 0  # characters that a conversion lost before, and bytes that aren't valid
    odd: int = 0  # what looks like a stand-in for a lost character
    rare: int = 0  # characters outside the commonest nine thousand
    folded: int = 0  # letters and Chinese characters
    traditional: bool = False

    @property
    def worth(self) -> int:
        """Which of two copies is the better one: good characters, broken ones counting against."""
        return self.folded - 50 * (self.broken + self.odd) - 2 * self.rare


class Store:
    """A folder of such files."""

    def __init__(self, folder: Path, to_simplified: bool, overrides: Overrides = NONE) -> None:
        self.folder = folder
        self.to_simplified = to_simplified
        self.overrides = overrides

    def make(self, source: Source) -> Book:
        """The book of a source: from the store, or read, cleaned and stored now.

        Never raises for what a file is or holds: a bad file is a Book that isn't kept. Raises
        OSError where the disk takes no more.
        """
        if source.refused:
            return Book(source.name, kept=False, reason=source.refused)
        try:
            digest = _digest(source.path)
        except OSError as error:
            return Book(source.name, kept=False, reason=error.strerror or str(error))
        how = f"{_FORM} {self.to_simplified} {source.path.suffix.lower()} {self._asked(source)}"
        key = sha256(f"{digest} {how}".encode()).hexdigest()[:32]
        known = self._known(key, source.name)
        if known:
            return known
        book = Book(source.name, key, digest)
        try:
            self._fill(book, source)
        except DataError as error:
            # The sentence names the file by its path; here its name stands beside it.
            book.kept, book.reason = False, str(error).split(f"{source.path}", 1)[-1].lstrip(":： ")
        except (OSError, MemoryError) as error:
            if is_of_writing(error):  # here, and not in the book: it would be left out for that
                raise
            book.kept, book.reason = False, str(error) or type(error).__name__
        return book

    def _asked(self, source: Source) -> str:
        """What the user decides that bears on this file."""
        user = self.overrides
        return repr((user.keep, user.drop, user.encoding_of(source.name)))

    def _known(self, key: str, name: str) -> Book | None:
        try:
            # Opened here: numpy leaves a file that it can't read open.
            with self._prints(key).open("rb") as file, np.load(file) as arrays:
                found = json.loads(arrays["book"].tobytes())
        except (OSError, ValueError, KeyError, BadZipFile):
            return None
        return Book(**{**found, "file": name}) if self._text(key).exists() else None

    def _fill(self, book: Book, source: Source) -> None:
        prints: list[Fingerprint] = []
        places: list[tuple[int, int, int]] = []
        with written_lines(self._text(book.key)) as file:
            ledger = Ledger(
                listed=lambda drop: _write(file, ["drop", *drop[:2], drop[2][:500]]),
                overrides=self.overrides,
            )
            named = self.overrides.encoding_of(source.name)
            book.encoding, stream = read(source.path, ledger, self.to_simplified, named)
            for item in stream:
                if isinstance(item, Part):
                    _write(file, ["part", *item.piece, item.book, item.split, item.ends])
                    prints.append(fingerprint(item.piece.text))
                    places.append(_place(item))
                    book.rare += int(tally(item.piece.text)[RARE])
                else:
                    _write(file, ["talk", item])
                    book.dialogues += 1
                    book.talk += sum(len(message["content"]) for message in item)
        book.pieces = len(prints)
        book.chars_in, book.chars_out = ledger.chars_in, ledger.chars_out
        book.broken, book.odd, book.drops = ledger.broken, ledger.odd, ledger.closed()
        book.folded = sum(p.size for p in prints)
        changed, han = sum(p.traditional for p in prints), sum(p.han for p in prints)
        book.traditional = changed > han * 0.05
        if prints or book.dialogues:
            self._write_prints(book, prints, places)
        else:
            book.kept, book.reason = False, say("no text left after cleaning", "清洗后没有正文")

    def parts(self, key: str) -> Iterator[Part]:
        """The pieces of a book in order; memory of one piece."""
        for chapter, ordinal, text, book, split, ends in self._lines(key, "part"):
            yield Part(Piece(chapter, ordinal, text), book, split, ends)

    def talks(self, key: str) -> Iterator[list[dict[str, str]]]:
        """The dialogues of a file in order, as lists of messages."""
        for (messages,) in self._lines(key, "talk"):
            yield messages

    def drops(self, key: str) -> Iterator[Drop]:
        """What was dropped from a book; nothing for one that was refused."""
        if self._text(key).exists():
            for number, reason, text in self._lines(key, "drop"):
                yield Drop(number, reason, text)

    def prints(self, key: str) -> dict[str, np.ndarray]:
        """signature uint32 [n, 128], exact uint64 [n]; size, ordinal, length, forced int64 [n]."""
        with np.load(self._prints(key)) as arrays:
            return {name: arrays[name] for name in arrays.files if name != "book"}

    def _write_prints(
        self, book: Book, prints: list[Fingerprint], places: list[tuple[int, int, int]]
    ) -> None:
        where = np.array(places, dtype=np.int64).reshape(-1, 3)
        signatures = np.zeros((len(prints), PERMUTATIONS), dtype=np.uint32)
        for row, one in enumerate(prints):
            signatures[row] = one.signature
        with written_aside(self._prints(book.key)) as aside, aside.open("wb") as file:
            np.savez(
                file,
                book=np.frombuffer(json.dumps(asdict(book)).encode("utf-8"), dtype=np.uint8),
                signature=signatures,
                exact=np.array([p.exact for p in prints], dtype=np.uint64),
                size=np.array([p.size for p in prints], dtype=np.int64),
                ordinal=where[:, 0],
                length=where[:, 1],
                forced=where[:, 2],
            )

    def _text(self, key: str) -> Path:
        return self.folder / f"{key}.jsonl"

    def _prints(self, key: str) -> Path:
        return self.folder / f"{key}.npz"

    def _lines(self, key: str, kind: str) -> Iterator[Any]:
        start = f'["{kind}"'
        with self._text(key).open(encoding="utf-8", newline="\n") as file:
            for line in file:
                if line.startswith(start):
                    yield json.loads(line)[1:]


@contextmanager
def written_lines(path: Path) -> Iterator[IO[str]]:
    """A text file that is written aside and takes its place when the block ends well."""
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        yield file


def _write(file: IO[str], value: Any) -> None:
    file.write(json.dumps(value, ensure_ascii=False) + "\n")


def _place(part: Part) -> tuple[int, int, int]:
    """(chapter, characters, side: 0 open, 1 train, 2 held out)"""
    side = {None: 0, "train": 1, "heldout": 2}[part.split]
    return part.piece.ordinal, len(part.piece.text), side


def _digest(path: Path) -> str:
    found = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()
