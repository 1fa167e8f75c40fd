"""Passages and dialogues: the units that are split into sides and packed into rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "heldout"]


@dataclass(frozen=True)
class Passage:
    """A contiguous piece of one book.

    `text` keeps its newlines; `chapter` is the title it stands under, if any; `ends_book` is
    true for the last passage of a book, after which an end-of-text token belongs. `follows` is
    false where something between it and the passage before it in the book is missing (held out,
    a duplicate, or the start of the book): the two are not one run of text.
    """

    text: str
    book: str
    chapter: str | None = None
    split: Split = "train"
    ends_book: bool = False
    follows: bool = True


@dataclass(frozen=True)
class Dialogue:
    """One conversation: messages as {"role", "content"}, system and user before assistant."""

    messages: list[dict[str, str]]
    book: str
    split: Split = "train"
