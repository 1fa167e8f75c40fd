"""The numbered forms in which a book heads its chapters: those whose numbers rise through it.

A form (numbered.py) is a book's form of titles where its numbers rise and stand apart; one that
is common in prose has to be in sequence, and one that also parts a chapter (第二天, Letter II)
counts only where the book has no other titles, or beside them.
"""

from __future__ import annotations

import itertools
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from styledial.data.cleaning.chinese_titles import OTHER_WORD, TOLD
from styledial.data.cleaning.decorations import BLANK, undecorated, without_addition
from styledial.data.cleaning.form import LONGEST, Form
from styledial.data.cleaning.ledger import Line
from styledial.data.cleaning.numbered import form_of, is_surely_prose
from styledial.data.cleaning.numerals import ARABIC, HAN_NUMBER, SERIES
from styledial.data.cleaning.run_on import Numbered
from styledial.data.cleaning.unwrap import ends_sentence

_APART = 400  # characters between the titles of two chapters, at the median
_RUN = 3  # numbers that were counted before they begin again
_ROWS = {row for row, _ in SERIES.values()}
_VOLUME = re.compile(
    rf"(?:第\s?(?:{ARABIC}|{HAN_NUMBER})\s?[卷部集]|卷|[上中下][卷部册]|제\s?\d+\s?부|"
    r"(?:part|book|volume|partie|livre|tome|teil|buch|band|parte|libro|часть|том|книга)\b)"
    r"(?!.*[章回节節話话])",
    re.I,
)
_TITLES = 3  # strong titles that make a book one which numbers its chapters


class _Place(NamedTuple):
    """Where a numbered line stands: characters before it, its number, lines before it."""

    at: int
    number: int
    line: int
    text: str


class Forms(NamedTuple):
    """`forms` of a book's own; `numbered`: whether it numbers its chapters in any form.

    `lines`: its 第…章 lines in order, titles or not. `heads`: the places, among the lines that
    aren't blank, of those that a strong mark or one of the forms makes titles.
    """

    forms: frozenset[Form]
    numbered: bool
    lines: list[Numbered]
    heads: list[int]


def find_forms(sample: Sequence[Line], is_marked: Callable[[str], bool]) -> Forms:
    """The forms in which the book heads its chapters; `is_marked` knows the strong titles."""
    places: dict[Form, list[_Place]] = defaultdict(list)
    order: dict[Form, dict[str, int]] = defaultdict(dict)  # of unknown numbers, as they come
    marked: list[int] = []
    volumes: set[int] = set()
    chars = count = 0
    before = ""  # the line above, nothing where it is blank
    for line in sample:
        text = line.text.strip(BLANK)
        count += bool(text)
        goes_on = text[:1].islower() and before != "" and not ends_sentence(before)
        before = text
        if text and not goes_on and not is_surely_prose(text):
            plain = without_addition(undecorated(text))
            found = form_of(plain) if plain and len(plain) <= LONGEST else None
            if plain and is_marked(plain):
                marked.append(count)
                volumes |= {count} if _VOLUME.match(plain) else set()
            if found:
                form, number = found
                if isinstance(number, str):
                    number = order[form].setdefault(number, len(order[form]) + 1)
                places[form].append(_Place(chars, number, count, plain))
        chars += len(text)
    known = _known(places, marked, volumes, chars)
    heads = {place - 1 for place in marked} | {p.line - 1 for f in known for p in places[f]}
    return Forms(known, len(marked) >= 2 or bool(known), _lines(places), sorted(heads))


def _known(
    places: dict[Form, list[_Place]], marked: list[int], volumes: set[int], end: int
) -> frozenset[Form]:
    """The forms that head chapters: first those that do in any book, then the weak ones, which
    have to stand beside them. 上, 中, 下 may begin again in each volume."""
    heading = [
        form
        for form, found in places.items()
        if form.kind not in (TOLD, OTHER_WORD) and _heads_chapters(form, found, volumes, end)
    ]
    alone = [form for form in heading if _is_bare_word(form)]
    firm = [form for form in heading if not form.weak]
    firm += [form for form in alone if not _is_inside(form, places[form], set(marked))]
    titles = marked + [place.line for form in firm for place in places[form]]
    return frozenset(
        form
        for form in heading
        if form in firm
        or not _is_inside(
            form, places[form], set(titles) - (volumes if form.kind in _ROWS else set())
        )
    )


def _lines(places: dict[Form, list[_Place]]) -> list[Numbered]:
    kinds = ("", "run-on", TOLD, OTHER_WORD)
    found = [
        (place.line, Numbered(form.after, place.number, form.kind, place.text))
        for form, of_form in places.items()
        if form.before == "第" and form.kind in kinds
        for place in of_form
    ]
    return [line for _, line in sorted(found)]


def _is_inside(form: Form, places: list[_Place], titles: set[int]) -> bool:
    """Whether a weak form parts the chapters of a book that has stronger titles: it doesn't
    where it stands beside them, as volumes do, and numbers in words alone on their lines don't
    where they are more, as the chapters of a few Parts are."""
    if len(titles) < _TITLES or (_is_bare_word(form) and len(places) > len(titles)):
        return False
    beside = sum(bool({p.line - 1, p.line + 1} & titles) for p in places)
    return beside * 3 < len(places) * 2


def _heads_chapters(form: Form, places: list[_Place], volumes: set[int], end: int) -> bool:
    """Whether numbers rise through the book and stand apart; a table of contents before them
    has the same numbers close together, so only the last of each counts."""
    found = _without_contents(places)
    lowest = min(place.number for place in found)
    steps = [(b.at - a.at, b.number - a.number, b.number) for a, b in itertools.pairwise(found)]
    if form.strict or not (form.after or form.before or form.kind == "date"):
        rising = [
            gap for gap, step, _ in steps if step == 1 or (step == 2 and form.kind == "上中下")
        ]
    else:
        rising = [gap for gap, step, _ in steps if step > 0]
    restarts = _restarts(found, volumes)
    counted = max(len(steps) - max(_again(form, found), restarts or 0), len(steps) // 2)
    if len(rising) < 2 or len(rising) < (0.8 if form.strict else 0.6) * counted:
        return False
    if form.strict and lowest > 1 and form.kind != "digits" and not _is_bare_word(form):
        return False
    if form.before.startswith("*"):
        if form.weak and not _share_names(found):
            return False
    elif _takes_turns(form) and restarts is None:
        return False
    return sorted(rising)[len(rising) // 2] >= _APART and end - found[-1].at >= 20


def _restarts(places: list[_Place], volumes: set[int]) -> int | None:
    """How often a row such as 上, 中, 下 begins again, each time in another volume and each volume
    with its first sign; None where it goes back elsewhere."""
    lowest = min(place.number for place in places)
    pairs = list(itertools.pairwise(places))
    parted = [not volumes.isdisjoint(range(a.line, b.line)) for a, b in pairs]
    back = [b.number <= a.number for a, b in pairs]
    if not any(back):
        return 0
    begun = all(b.number == lowest for (_, b), apart in zip(pairs, parted, strict=True) if apart)
    return sum(back) if begun and all(map(operator.le, back, parted)) else None


def _is_bare_word(form: Form) -> bool:
    """Whether the form is a number in words and nothing else."""
    return form.kind == "word" and not form.before + form.after


def _takes_turns(form: Form) -> bool:
    """Whether speakers may be called so: 甲 and 乙, First Witch and Second Witch."""
    return form.kind in _ROWS or (form.kind == "word" and not _is_bare_word(form))


def _again(form: Form, places: list[_Place]) -> int:
    """How often the numbers begin again, as they do in another volume or under another name."""
    lowest = min(place.number for place in places)
    again, run = 0, 1
    for a, b in itertools.pairwise(places):
        if b.number == lowest and b.number <= a.number:
            again += run >= (2 if form.before.startswith("*") else _RUN)
            run = 1
        else:
            run += 1
    return again


def _share_names(places: list[_Place]) -> bool:
    """雪（上）, 雪（下）, 月（上）: a name has several parts; a note's mark in a verse has not."""
    names = [re.split(r"[（(:：,·-]", place.text)[0] for place in places]
    return sum(a == b for a, b in itertools.pairwise(names)) * 2 >= len(names) - 1


def _without_contents(places: list[_Place]) -> list[_Place]:
    half = len(places) // 2
    first, second = places[:half], places[-half:]
    again = len(places) >= 6 and {p.number for p in first} == {p.number for p in second}
    return second if again and first[-1].at - first[0].at < _APART * half else places
