"""Chapter titles, tables of contents, front matter: a book's structure, taken out of its prose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from styledial.data.cleaning.contents import (
    is_contents_heading,
    is_entry,
    lists_many,
    named_with_page,
)
from styledial.data.cleaning.form import LONGEST
from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.cleaning.numerals import ARABIC, HAN_NUMBER
from styledial.data.cleaning.titles import Titles
from styledial.data.cleaning.unnumbered import is_nameless, may_be_name
from styledial.data.cleaning.words import is_worded

_ONLY_NUMBER = re.compile(rf"第\s?(?:{ARABIC}|{HAN_NUMBER})\s?[章回節节卷集部篇]")

_NUMBER = re.compile(r"[\dIVXLCivxlc]{1,7}[.:)]?")
_NO_NAME = "“\"‘'«„「『[<("  # how no name of a chapter begins below its number


class Paragraph(NamedTuple):
    """A paragraph of prose under the chapter it stands in; blank ones are stanza breaks."""

    chapter: str | None
    line: Line


def structure(lines: Iterable[Line], titles: Titles, ledger: Ledger) -> Iterator[Paragraph]:
    """Prose under its chapter titles; titles and tables of contents are counted as dropped.

    Four titles or more with no prose between them are a table of contents; fewer are a volume
    and its first chapter, and stand together. 目录 alone is a heading before titles only.
    """
    chapter: str | None = None
    waiting: list[tuple[Line, str]] = []
    heading: Line | None = None  # 目录 inside a chapter, until the next line says what it is
    under = False  # in a list that 目录 heads
    for line in lines:
        if not line.text:
            if not waiting:
                yield Paragraph(chapter, line)
            continue
        title = titles.read(line.text)
        if title is None and waiting and _is_second_half(waiting[-1], line, titles):
            title = re.sub(r"[\s\u3000]+", " ", line.text)
            waiting[-1:] = [(waiting[-1][0], waiting[-1][1] + " " + title)]
            ledger.drop(line, "title")
            continue
        listed = title is None and (
            _is_contents(line.text, titles) or (under and is_entry(line.text))
        )
        under = listed and (under or is_contents_heading(line.text))
        if heading is not None:
            if title or listed:
                ledger.drop(heading, "contents")
            else:
                yield Paragraph(chapter, heading)
            heading = None
        if title:
            waiting.append((line, title))
        elif listed and chapter and not waiting and is_contents_heading(line.text):
            heading = line
        elif listed:
            ledger.drop(line, "contents")
        else:
            if waiting:
                chapter = _settle(waiting, ledger)
                waiting = []
            yield Paragraph(chapter, line)
    if heading is not None:
        yield Paragraph(chapter, heading)
    _settle(waiting, ledger)


def _is_contents(text: str, titles: Titles) -> bool:
    """Whether a line is of a table of contents: its heading, many titles, a title with a page."""
    if is_contents_heading(text) or lists_many(text):
        return True
    named = named_with_page(text)
    return bool(named) and titles(named)


def _is_named_below(waiting: tuple[Line, str]) -> bool:
    """Whether the title has its name from the next line already: what follows that is verse, or
    the date of a letter."""
    line, title = waiting
    return title not in re.sub(r"[\s\u3000]+", " ", line.text)


def _is_second_half(before: tuple[Line, str], line: Line, titles: Titles) -> bool:
    """第一回 on a line of its own, the couplet that names it on the next; a title in capitals
    that goes on; `CHAPTER I.` and its name in capitals under it, or in any letters where the
    book does so under each of its numbers."""
    title, text = before[1], line.text
    near = line.number - before[0].number <= 4
    if titles.named_below and near and is_nameless(title) and not _is_named_below(before):
        return may_be_name(text)
    if _ONLY_NUMBER.fullmatch(title) and re.fullmatch(
        r"[^\s。，！？：；“”「」…]{2,16}[\s\u3000]+[^\s。，！？：；“”「」…]{2,16}", text
    ):
        return True
    if len(text) > LONGEST or line.number - before[0].number > 3 or text[0] in _NO_NAME:
        return False
    if _is_in_capitals(text):
        return title.isupper() or len(title) <= 24
    follows = line.number == before[0].number + 1
    nameless = len(title) <= 14 and (is_worded(title) or _NUMBER.fullmatch(title))
    return bool(follows and nameless and _is_named_in_capitals(text))


def _is_in_capitals(text: str) -> bool:
    """OF THE SHIP: all its letters are capitals, not those of PS in a Chinese sentence."""
    letters = re.findall(r"[^\W\d_]", text)
    return text.isupper() and 3 <= len(letters) == sum(map(str.isupper, letters))


def _is_named_in_capitals(text: str) -> bool:
    """Down the Rabbit-Hole: every long word begins with a capital, and no sentence ends."""
    if max(text) >= "\u2e80":  # a Chinese line may begin with PS
        return False
    if ": " in text or re.search(r"\d", text):  # a label and its value, a date, Flour 200 g
        return False
    words = re.findall(r"[^\W\d_]{4,}", text)
    return bool(words) and all(word[0].isupper() for word in words) and text[-1] not in ".!?,;:"


def _settle(waiting: list[tuple[Line, str]], ledger: Ledger) -> str | None:
    """The title that stands after a run of them; the rest are contents."""
    if not waiting:
        return None
    names = [title for _, title in waiting]
    first = names.index(names[-1])
    if len(names) < 4 and set(names[first:]) == {names[-1]}:  # printed twice below its volume
        kept = [*waiting[:first], waiting[-1]]
    else:  # a list before it, short where it names the last title too
        kept = waiting[-1:]
    listed = [pair for pair in waiting if pair not in kept]
    for line, _ in listed:
        ledger.drop(line, "contents")
    for line, _ in kept:
        ledger.drop(line, "title")
    return " ".join(dict.fromkeys(title for _, title in kept))
