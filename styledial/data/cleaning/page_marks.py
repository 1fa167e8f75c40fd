"""What a program adds to each page or line of a text: page numbers, running heads, > and 12.

Text copied out of a PDF, scanned, printed with line numbers or quoted in a mail has them. A
number alone is a chapter's as often as a page's: a page ends in mid-sentence, a chapter doesn't.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.cleaning.unwrap import ends_sentence

_NUMBER = re.compile(r"\W{0,3}(?:page|pag|p|s|стр|第)?\W{0,2}(\d{1,4})\s?(?:页|頁)?\W{0,3}", re.I)
_PAGES = 3  # numbers that count up, fewer are chance
_STEP = 5  # pages without a number between two that have one
_BROKEN = 0.4  # of the pages end in mid-sentence
_FULL = 15  # characters of a line of Chinese that the page broke; most lines of verse have fewer
_LONGEST_HEAD = 80  # characters
_OFTEN = 0.2  # of the pages have one running head; there may be one a chapter
_AT_EDGES = 0.8  # of the places of a running head are beside a page's number
_LINES, _MOST = 20, 0.9  # lines, and the share of them, that begin with the same mark
_QUOTED = re.compile(r"\s{0,3}(?:>\s?)+")
_COUNTED = re.compile(r"\s*[\[(]?(\d{1,6})(?:\t|[.:：)\]|]\s?|\s{2,})(?=\D|$)")


class PageMarks(NamedTuple):
    """The forms of a book's page numbers, with # for the number, and its running heads."""

    forms: frozenset[str]
    heads: frozenset[str]


def without_marks(
    lines: Iterator[Line],
    sample: Sequence[Line],
    ledger: Ledger,
    is_title: Callable[[str], bool],
) -> Iterator[Line]:
    """The lines of a book without these; `sample`: its first lines."""
    prefix = _prefix(sample)
    if prefix is not None:
        lines = _without_prefix(lines, prefix, ledger)
        sample = list(_without_prefix(iter(sample), prefix, Ledger()))
    marks = _page_marks(sample)
    return _without_pages(lines, marks, ledger, is_title) if marks else lines


def _prefix(sample: Sequence[Line]) -> re.Pattern[str] | None:
    """What nearly every line begins with: signs of quotation, numbers that count the lines."""
    texts = [line.text for line in sample if line.text.strip()]
    if len(texts) < _LINES:
        return None
    if sum(_QUOTED.match(text) is not None for text in texts) >= _MOST * len(texts):
        return _QUOTED
    numbers = [int(found[1]) for text in texts if (found := _COUNTED.match(text))]
    following = sum(b == a + 1 for a, b in itertools.pairwise(numbers))
    counted = len(numbers) >= _MOST * len(texts) and following >= _MOST * len(numbers)
    return _COUNTED if counted else None


def _without_prefix(
    lines: Iterator[Line], prefix: re.Pattern[str], ledger: Ledger
) -> Iterator[Line]:
    for line in lines:
        found = prefix.match(line.text)
        if found:
            ledger.drop(line, "line mark", found[0])
        yield line._replace(text=line.text[found.end() :]) if found else line


def _form(text: str) -> tuple[str, int] | None:
    """(a page number's form, the number); None for any other line."""
    text = text.strip(" \t\f\u3000")
    found = _NUMBER.fullmatch(text) if len(text) <= 16 else None
    return (text[: found.start(1)] + "#" + text[found.end(1) :], int(found[1])) if found else None


def _page_marks(sample: Sequence[Line]) -> PageMarks | None:
    texts = [line.text for line in sample if line.text.strip()]
    places: dict[str, list[int]] = {}  # where the numbers of each form stand that count up
    last: dict[str, int] = {}
    for i, text in enumerate(texts):
        form, number = _form(text) or ("", 0)
        if form and 0 < number - last.get(form, number - 1) <= _STEP:
            last[form] = number
            places.setdefault(form, []).append(i)
    forms = {
        form
        for form, found in places.items()
        if len(found) >= _PAGES and sum(_is_broken(texts, i) for i in found) >= _BROKEN * len(found)
    }
    if not forms:
        return None
    around = [i + k for form in forms for i in places[form] for k in (-1, 1)]
    counts = Counter(texts[i].strip() for i in set(around) if 0 <= i < len(texts))
    anywhere = Counter(map(str.strip, texts))  # who speaks in HAMLET has the play's own name
    pages = sum(len(places[form]) for form in forms)
    heads = {
        text
        for text, count in counts.items()
        if count >= max(_PAGES, _OFTEN * pages, _AT_EDGES * anywhere[text])
        and len(text) <= _LONGEST_HEAD
    }
    return PageMarks(frozenset(forms), frozenset(head for head in heads if not _said(head)))


def _is_broken(texts: Sequence[str], i: int) -> bool:
    """Whether a sentence goes on over the number at `i`, and over a running head behind it. Verse
    has no stops either, but capitals or short lines; who counts aloud has no text between."""
    before, after = texts[i - 1] if i else "", [text.lstrip()[0] for text in texts[i + 1 : i + 3]]
    if ends_sentence(before) or not after or _form(before) or _form(texts[i + 1]):
        return False
    return any(map(str.islower, after)) or (after[0] >= "\u2e80" and len(before) >= _FULL)


def _said(text: str) -> bool:
    return text[-1] in ".!?,;:。，！？；：" or _form(text) is not None


def _without_pages(
    lines: Iterator[Line], marks: PageMarks, ledger: Ledger, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    """The lines without page numbers and heads; where a sentence goes on behind them, without
    the blank lines that they stood between."""
    blank: list[Line] = []
    before = Line(0, "")
    last = 0
    edge = False  # whether a number or head came since the last line of the text
    met: set[str] = set()
    for line in lines:
        text = line.text.strip(" \t\f\u3000")
        if not text:
            blank.append(line)
            continue
        form, number = _form(text) or ("", 0)
        counts = form in marks.forms and (not last or 0 < number - last <= _STEP)
        is_head = text in marks.heads and (text in met or not is_title(text))
        met.add(text)
        if counts or is_head:
            last = number if counts else last
            edge = True
            ledger.drop(line, "page number" if counts else "running head")
            continue
        if not edge or ends_sentence(before.text) or is_title(text):
            yield from blank
        blank, edge, before = [], False, line
        yield line
    yield from blank
