"""The numbered forms in which a book heads its chapters: those whose numbers rise through it.

A form (numbered.py) is a book's form of titles where its numbers rise and stand apart; one that
is common in prose has to be in sequence, and one that also parts a chapter (第二天, Letter II)
counts only where the book has no other titles, or beside them.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from styledial.data.cleaning.decorations import BLANK, undecorated, without_addition
from styledial.data.cleaning.ledger import Line
from styledial.data.cleaning.numbered import LONGEST, OTHER_WORD, Form, form_of, is_surely_prose

_APART = 400  # characters between the titles of two chapters, at the median
_TITLES = 3  # strong titles that make a book one which numbers its chapters


class _Place(NamedTuple):
    """Where a numbered line stands: characters before it, its number, lines before it."""

    at: int
    number: int
    line: int


class Forms(NamedTuple):
    """`forms` of a book's own; `numbered`: whether it numbers its chapters in any form.

    `numbers`: the numbers of its 第…章 titles, by the word for chapter.
    """

    forms: frozenset[Form]
    numbered: bool
    numbers: dict[str, set[int]]


def find_forms(sample: Sequence[Line], is_marked: Callable[[str], bool]) -> Forms:
    """The forms in which the book heads its chapters; `is_marked` knows the strong titles."""
    places: dict[Form, list[_Place]] = defaultdict(list)
    order: dict[tuple[Form, str], int] = {}  # of numbers in words, as they come
    marked: list[int] = []
    chars = count = 0
    for line in sample:
        text = line.text.strip(BLANK)
        count += bool(text)
        if text and not is_surely_prose(text):
            plain = without_addition(undecorated(text))
            found = form_of(plain) if plain and len(plain) <= LONGEST else None
            if plain and is_marked(plain):
                marked.append(count)
            if found:
                form, number = found
                if isinstance(number, str):
                    number = order.setdefault((form, number), len(order) + 1)
                places[form].append(_Place(chars, number, count))
        chars += len(text)
    _join_words(places)
    known = frozenset(
        form
        for form, found in places.items()
        if form.kind != OTHER_WORD
        and _heads_chapters(form, found, chars)
        and not _is_inside(form, found, marked)
    )
    return Forms(known, len(marked) >= 2 or bool(known), _numbers(places))


def _join_words(places: dict[Form, list[_Place]]) -> None:
    """Numbers in words that aren't known and those that are may head the same book's chapters:
    Pirmas, Antras, Trečias skyrius. One line of the first kind alone may be a sentence."""
    for form in [form for form in places if form.kind == "word" and form.before + form.after]:
        twin = form._replace(kind="numeral")
        if twin in places and len({place.number for place in places[form]}) >= 2:
            places[form] = places[twin] = sorted(places[form] + places[twin])


def _numbers(places: dict[Form, list[_Place]]) -> dict[str, set[int]]:
    numbers: dict[str, set[int]] = defaultdict(set)
    for form, found in places.items():
        if form.before == "第" and form.kind in ("", "run-on"):
            numbers[form.after].update(place.number for place in found)
    return numbers


def _is_inside(form: Form, places: list[_Place], marked: list[int]) -> bool:
    """Whether a weak form parts the chapters of a book that has stronger titles: it doesn't
    where it stands beside them, as volumes do."""
    if not form.weak or len(marked) < _TITLES:
        return False
    titles = set(marked)
    beside = sum(bool({p.line - 1, p.line + 1} & titles) for p in places)
    return beside * 3 < len(places) * 2


def _heads_chapters(form: Form, places: list[_Place], end: int) -> bool:
    """Whether numbers rise through the book and stand apart; a table of contents before them
    has the same numbers close together, so only the last of each counts."""
    found = _without_contents(places)
    lowest = min(place.number for place in found)
    steps = [(b.at - a.at, b.number - a.number, b.number) for a, b in itertools.pairwise(found)]
    if form.strict or not (form.after or form.before or form.kind in ("word", "date")):
        rising = [
            gap for gap, step, _ in steps if step == 1 or (step == 2 and form.kind == "上中下")
        ]
    else:
        rising = [gap for gap, step, _ in steps if step > 0]
    again = sum(number == lowest and step <= 0 for _, step, number in steps)  # another volume
    counted = max(len(steps) - again, len(steps) // 2)
    if len(rising) < 2 or len(rising) < (0.8 if form.strict else 0.6) * counted:
        return False
    if form.strict and lowest > 1 and form.kind != "digits":
        return False
    return sorted(rising)[len(rising) // 2] >= _APART and end - found[-1].at >= 20


def _without_contents(places: list[_Place]) -> list[_Place]:
    half = len(places) // 2
    first, second = places[:half], places[-half:]
    listed = len(places) >= 6 and {p.number for p in first} == {p.number for p in second}
    return second if listed else places
