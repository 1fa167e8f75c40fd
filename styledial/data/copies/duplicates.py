"""Deduplication: copies of books, then of chapters; the cleaner copy is kept.

    exact      the same bytes                                 -> the first by name stays
    books      half of all their runs of characters in common -> the one of more worth stays
    pieces     six tenths, of any books                       -> the one of the better book stays

A book in traditional and one in simplified characters are compared, but both stay: they are
two texts to a model. They only never stand on two sides of the split. With to_simplified they
are one text, and one goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from styledial.data.copies.likeness import alike
from styledial.data.store import Book, Store
from styledial.language import say

COPY = 0.5  # likeness from which a book is a copy of another: two thirds of it are in both
_PIECE_COPY = 0.6  # the same for a piece; three quarters of it are in both
_REST = 0.25  # a book of which less than this remains is a copy as a whole
_SHORT = 24  # folded characters; a shorter piece may well come twice: 且听下回分解


@dataclass
class Pool:
    """All pieces of all kept books in one row.

    book[i], place[i]: the book and the place in it; ordinal[i]: its chapter there; length[i]:
    characters, size[i]: those that count for likeness; forced[i]: 0, or 1 train and 2 held out
    where an earlier run had decided; gone[i]: dropped as a copy. Memory: 0.6 KB a piece, 70 MB
    for a gigabyte of novels.
    """

    books: list[Book]
    book: np.ndarray
    place: np.ndarray
    signature: np.ndarray
    exact: np.ndarray
    size: np.ndarray
    ordinal: np.ndarray
    length: np.ndarray
    forced: np.ndarray
    gone: np.ndarray
    notes: list[str] = field(default_factory=list)

    def rows(self, number: int) -> np.ndarray:
        """The places in the row of the pieces of one book."""
        start, end = np.searchsorted(self.book, [number, number + 1])
        return np.arange(start, end)


def drop_exact_copies(books: Sequence[Book]) -> None:
    """Books with the bytes of an earlier one are no longer kept."""
    first: dict[str, Book] = {}
    for book in books:
        if book.kept and book.sha256:
            original = first.setdefault(book.sha256, book)
            if original is not book:
                _drop(book, say(f"exact copy of {original.file}", f"与 {original.file} 完全相同"))
                book.drops["duplicate"] = book.drops.get("duplicate", 0) + book.chars_out
                book.chars_out = 0


def gather(books: Sequence[Book], store: Store) -> Pool:
    """The fingerprints of every kept book with pieces."""
    kept = [book for book in books if book.kept and book.pieces]
    prints = [store.prints(book.key) for book in kept]
    counts = [len(p["size"]) for p in prints]

    def joined(name: str, empty: np.ndarray) -> np.ndarray:
        return np.concatenate([p.pop(name) for p in prints]) if prints else empty

    total = sum(counts)
    none = np.zeros(0, np.int64)
    return Pool(
        books=kept,
        book=np.repeat(np.arange(len(kept)), counts),
        place=np.concatenate([np.arange(n) for n in counts]) if counts else np.zeros(0, int),
        signature=joined("signature", np.zeros((0, 128), np.uint32)),
        exact=joined("exact", np.zeros(0, np.uint64)),
        size=joined("size", none),
        ordinal=joined("ordinal", none),
        length=joined("length", none),
        forced=joined("forced", none),
        gone=np.zeros(total, dtype=bool),
    )


def drop_copies(pool: Pool, to_simplified: bool) -> None:
    """Marks pieces as gone and books as not kept; `pool.notes` says what the user should know."""
    better = _by_worth(pool.books)
    _drop_whole_books(pool, better, to_simplified)
    for number, original in _drop_pieces(pool, better, to_simplified).items():
        rows = pool.rows(number)
        if pool.size[rows][~pool.gone[rows]].sum() < _REST * pool.size[rows].sum():
            pool.gone[rows] = True
            _drop(
                pool.books[number], say(f"near-duplicate of {original}", f"与 {original} 近似重复")
            )


def _by_worth(books: Sequence[Book]) -> list[int]:
    """rank[i]: 0 for the book whose copy is kept before any other's."""
    order = sorted(range(len(books)), key=lambda i: (-books[i].worth, books[i].file))
    rank = [0] * len(books)
    for place, number in enumerate(order):
        rank[number] = place
    return rank


def _same_text(one: Book, other: Book, to_simplified: bool) -> bool:
    return to_simplified or one.traditional == other.traditional


def _drop_whole_books(pool: Pool, better: list[int], to_simplified: bool) -> None:
    if not pool.books:
        return
    starts = np.searchsorted(pool.book, np.arange(len(pool.books)))
    whole = np.minimum.reduceat(pool.signature, starts, axis=0)
    order = np.argsort(better)  # the best first, as `alike` pairs all copies with the first
    for i, j, share in sorted(alike(whole[order], COPY, rows=4)):
        best, worse = int(order[i]), int(order[j])
        one, other = pool.books[best], pool.books[worse]
        if not (one.kept and other.kept) or min(one.folded, other.folded) < _SHORT:
            continue
        if not _same_text(one, other, to_simplified):
            pool.notes.append(_two_scripts(one, other))
            continue
        pool.gone[pool.rows(worse)] = True
        original = one.file
        _drop(
            other,
            say(
                f"near-duplicate of {original} ({share:.0%})",
                f"与 {original} 近似重复（{share:.0%}）",
            ),
        )


def _drop_pieces(pool: Pool, better: list[int], to_simplified: bool) -> dict[int, str]:
    """Of like pieces the one of the best book stays, or the first in one book.

    Returns for each book that lost any the name of the book it shares the most with.
    """
    kept = np.flatnonzero(~pool.gone)
    rank = np.array(better, dtype=np.int64)[pool.book[kept]]
    kept = kept[np.lexsort((pool.place[kept], rank))]  # the best first
    shared: dict[int, Counter[str]] = {}
    for best, worse in [*_exact_pairs(pool, kept), *_like_pairs(pool, kept)]:
        one, other = pool.books[pool.book[best]], pool.books[pool.book[worse]]
        if pool.gone[best] or pool.gone[worse] or not _same_text(one, other, to_simplified):
            continue
        pool.gone[worse] = True
        counts = shared.setdefault(int(pool.book[worse]), Counter())
        counts[one.file] += int(pool.size[worse])
    return {number: counts.most_common(1)[0][0] for number, counts in shared.items()}


def _exact_pairs(pool: Pool, kept: np.ndarray) -> list[tuple[int, int]]:
    """(the first, each other) of pieces with the same letters, in the order of `kept`."""
    first: dict[tuple[int, int], int] = {}
    pairs = []
    for row in kept.tolist():
        best = first.setdefault((int(pool.exact[row]), int(pool.size[row])), row)
        if best != row and pool.size[row] >= _SHORT:
            pairs.append((best, row))
    return pairs


def _like_pairs(pool: Pool, kept: np.ndarray) -> list[tuple[int, int]]:
    rows = kept[(pool.size[kept] >= _SHORT) & ~pool.gone[kept]]
    found = sorted(alike(pool.signature[rows], _PIECE_COPY, rows=4))
    return [(int(rows[i]), int(rows[j])) for i, j, _ in found]


def _drop(book: Book, reason: str) -> None:
    book.kept, book.reason = False, reason


def _two_scripts(one: Book, other: Book) -> str:
    first, second = sorted((one.file, other.file))
    return say(
        f"{first} and {second} are the same book in traditional and simplified characters; both "
        "are kept, on the same side of the split. data.to_simplified: true merges them.",
        f"{first} 与 {second} 是同一本书的繁体版和简体版；两者都保留，并划分在同一侧。设 "
        "data.to_simplified: true 可合并为一本。",
    )
