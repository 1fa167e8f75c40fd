"""Titles that run on as a sentence does, told by their place among the plain ones.

第六章程门立雪, 第二章你是谁？   where the plain titles before and behind leave that number out
第八章他来了                      also behind the last plain one, as long as it doesn't end in ？！…
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from styledial.data.cleaning.chinese_titles import OTHER_WORD, TOLD

_HALF = "[^，。！？；：“”「」…]{3,12}"
_COUPLET = re.compile(rf"第[^，。]{{1,10}}?[章回节節卷](?P<left>{_HALF})，(?P<right>{_HALF})")
_SPOKEN = "？！…?!"
_ALL_TOLD = 4  # titles that run on, in a book that has no others


class Numbered(NamedTuple):
    """A 第…章 line: its word for chapter, its number, how it goes on (see chinese_titles)."""

    word: str
    number: int
    kind: str
    text: str

    @property
    def plain(self) -> bool:
        """Whether nothing speaks against its being a title."""
        return self.kind not in (TOLD, OTHER_WORD)


class RunOn:
    """Follows the numbers of a book's titles; `lines`: the 第…章 lines of its sample, in order."""

    def __init__(self, lines: Sequence[Numbered] = ()) -> None:
        self.plain = [line for line in lines if line.plain]
        words = {line.word for line in lines}
        self.told = {
            text for word in words for text in _told([line for line in lines if line.word == word])
        }
        self.seen = 0  # how many of the plain ones
        self.last: dict[str, int] = {}  # the number of the last title, by its word

    def take(self, word: str, number: int, text: str) -> None:
        """A title was read."""
        self.last[word] = number
        place = (i for i in range(self.seen, len(self.plain)) if self.plain[i].text == text)
        self.seen = next(place, self.seen - 1) + 1

    def is_title(self, line: Numbered) -> bool:
        """Whether the line, which isn't plain, is a title by its place."""
        if line.text in self.told:
            return True
        last = self.last.get(line.word, 0)
        if line.kind != TOLD or not last or line.number != last + 1 or line.text[-1] in _SPOKEN:
            return False
        return all(plain.word != line.word for plain in self.plain[self.seen :])


def _told(lines: Sequence[Numbered]) -> Iterator[str]:
    """The titles among lines with one word for chapter that a plain one comes behind."""
    if not any(line.plain for line in lines):
        yield from _all_told(lines)
        return
    last = 0
    for i, line in enumerate(lines):
        behind = next((k for k in range(i + 1, len(lines)) if lines[k].plain), None)
        if line.plain:
            last = line.number
        elif behind is not None and _fits(line, last, lines[i + 1 : behind + 1]):
            last = line.number
            yield line.text


def _all_told(lines: Sequence[Numbered]) -> Iterator[str]:
    """The titles of a book that has none but those which run on: nearly all, counted from 1."""
    found: list[str] = []
    for line in lines:
        if line.kind == TOLD and line.number == len(found) + 1:
            found.append(line.text)
    if len(found) >= _ALL_TOLD and len(found) >= 0.8 * len(lines):
        yield from found


def _fits(line: Numbered, last: int, following: Sequence[Numbered]) -> bool:
    """Whether a line's number comes behind `last` and no plain line has it; `following`: the
    lines up to the next plain one."""
    between, plain = {other.number for other in following[:-1]}, following[-1].number
    quiet = line.kind == TOLD and line.text[-1] not in _SPOKEN
    if line.number == last:  # the number printed twice
        return quiet and plain == line.number + 1
    if last < line.number < plain and _is_couplet(line.text):
        return True
    if line.number not in (1, last + 1) or plain == line.number:
        return False
    if plain > line.number and between.issuperset(range(line.number + 1, plain)):
        return True
    return quiet and line.number > 1


def _is_couplet(text: str) -> bool:
    """Whether what follows 第…章 is two halves of one length, as a chapter's name often is."""
    found = _COUPLET.fullmatch(text)
    return found is not None and abs(len(found["left"]) - len(found["right"])) <= 1
