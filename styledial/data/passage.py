"""A passage: the unit that novels are read into, split by, and packed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "heldout"]


@dataclass(frozen=True)
class Passage:
    """A contiguous piece of one book.

    `text` keeps its newlines; `chapter` is the title it stands under, if any; `ends_book` is
    true for the last passage of a book, after which an end-of-text token belongs.
    """

    text: str
    book: str
    chapter: str | None = None
    split: Split = "train"
    ends_book: bool = False
