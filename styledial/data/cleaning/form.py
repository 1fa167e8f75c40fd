"""A form: what stands round the number in the title of a chapter."""

from __future__ import annotations

from typing import NamedTuple

from styledial.data.cleaning.numerals import ARABIC, HAN_NUMBER

LONGEST = 60  # characters: no title is longer, but for one that is marked and parted
LONGEST_MARKED = 100
ANY_NUMBER = f"(?:{ARABIC}|{HAN_NUMBER})"


class Form(NamedTuple):
    """How a book writes a chapter's number: before it, its kind of numeral, behind it.

    `strict`: such a line is common in prose, so that its numbers have to follow one another;
    `weak`: it heads chapters only in a book that has no other numbers for them.
    """

    before: str
    kind: str
    after: str
    strict: bool = False
    weak: bool = False


Found = tuple[Form, int | str] | None
