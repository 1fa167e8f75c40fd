"""Chapter titles, recognised by strong marks alone and by any numbered form that a book uses.

第一回 …, Chapter IV, Глава первая, 楔子        strong: one is enough
001, (1), （一）, 三十章, IV., Kafli 3, 第五章队伍  weak: counts where the book has such a form
                                              in sequence, standing chapters apart (forms.py)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache

from styledial.data.cleaning.chinese_titles import NUMBERED, OTHER_WORD, TOLD, reads_as_title
from styledial.data.cleaning.decorations import BLANK, undecorated, without_addition
from styledial.data.cleaning.folding import fold_title
from styledial.data.cleaning.form import LONGEST, LONGEST_MARKED
from styledial.data.cleaning.forms import find_forms
from styledial.data.cleaning.ledger import Line
from styledial.data.cleaning.numbered import form_of, is_surely_prose
from styledial.data.cleaning.numerals import value
from styledial.data.cleaning.run_on import Numbered, RunOn
from styledial.data.cleaning.sections import is_section
from styledial.data.cleaning.unnumbered import (
    LONGEST_LISTED,
    in_capitals,
    is_nameless,
    named_below,
    others_in_capitals,
    rows_of,
)
from styledial.data.cleaning.words import goes_on_as_title, is_long_title, is_worded

_KOREAN = re.compile(
    r"제\s?(?P<n>[0-9]{1,4}|[일이삼사오육칠팔구십백]{1,6})\s?(?:장|화|회|부|편|권|막|"
    r"절)(?P<rest>.*)"
)
_BRACKETED = re.compile(r"[\[<]\s*([^\[\]<>]{3,60}?)\s*[\]>]")  # [Chapter 1]


class Titles:
    """Recognises titles of one book, whose own numbered forms are learnt from `sample`.

    `keeps`: lines that are prose, as the user says; `listed`: folded names of chapters that a
    list of contents has.
    """

    def __init__(
        self,
        sample: Sequence[Line],
        markdown: bool = False,
        keeps: Callable[[str], bool] = lambda text: False,
        listed: Collection[str] = frozenset(),
    ) -> None:
        self.markdown = markdown
        self.keeps = keeps
        self.listed = listed
        self.forms, self.numbered, lines, heads = find_forms(sample, _is_numbered)
        rows = rows_of(sample)
        self.named_below = named_below(rows, [n for n in heads if is_nameless(rows[n].text)])
        self.others_in_capitals = None if heads else others_in_capitals(rows)
        self.run_on = RunOn(lines)
        self.others = any(form.before != "第" for form in self.forms)
        # Unwrapping asks about a line twice, structure once more.
        self.asked = lru_cache(maxsize=64)(self._read)

    def __call__(self, text: str) -> bool:
        """Whether the line is a title."""
        return self.asked(text) is not None

    def read(self, text: str) -> str | None:
        """The title in one spelling, without a site's addition; None where the line is prose.
        The book's lines are read once each, in order: a title may be told by the last one."""
        if "第" not in text:
            return self.asked(text)
        title = self._read(text)
        plain = without_addition(undecorated(text.strip(BLANK)))
        if title is not None and (found := NUMBERED.fullmatch(plain)) is not None:
            self.run_on.take(found["unit"], value(found["n"]), plain)
        return title

    def _read(self, text: str) -> str | None:
        text = text.strip(BLANK)
        if not text or self.keeps(text) or (is_surely_prose(text) and not self._is_long(text)):
            return None
        if self.markdown and (heading := re.fullmatch(r"#{1,4}\s+(.+?)\s*#*", text)):
            return without_addition(heading[1])
        text = without_addition(undecorated(text))
        if not text or len(text) > LONGEST_MARKED:
            return None
        good = (
            _is_numbered(text)
            or is_section(text, self.numbered)
            or (len(text) <= LONGEST and self._in_a_known_form(text))
            or self._is_in_capitals(text)
            or (len(text) <= LONGEST_LISTED and self._is_listed(text))
        )
        return re.sub(r"[\s\u3000]+", " ", text) if good else None

    def _is_in_capitals(self, text: str) -> bool:
        others = self.others_in_capitals
        return others is not None and in_capitals(text) and text not in others

    def _is_listed(self, text: str) -> bool:
        return bool(self.listed) and fold_title(text) in self.listed

    def _is_long(self, text: str) -> bool:
        """Whether a line of LONGEST to LONGEST_MARKED characters is `CHAPTER XV: ON THE …`."""
        if not LONGEST < len(text) <= LONGEST_MARKED or text[-1] in "。，；：,;":
            return False
        return (self.markdown and text.startswith("#")) or is_long_title(text)

    def _in_a_known_form(self, text: str) -> bool:
        found = form_of(text) if self.others or "第" in text else None
        if found is None:
            return False
        form, number = found
        if form in self.forms:
            return True
        if form.before != "第" or not isinstance(number, int):
            return False
        line = Numbered(form.after, number, form.kind, text)
        return form.kind in (TOLD, OTHER_WORD) and self.run_on.is_title(line)


def _is_numbered(text: str) -> bool:
    """Whether the line is a numbered title by its own marks, whatever the book."""
    if "第" in text and (found := NUMBERED.fullmatch(text)) is not None:
        return reads_as_title(found["rest"], found["unit"], len(text))
    if len(text) > LONGEST_MARKED - 10 or "\u3400" <= text[0] <= "\u9fff":
        return False
    if text[0].islower() and not re.match(r"chapter[\s.]*\d", text):
        return False
    if text[0] in "[<" and (inner := _BRACKETED.fullmatch(text)):
        return is_worded(inner[1])
    found = _KOREAN.fullmatch(text) if text[0] == "제" else None
    return goes_on_as_title(found["rest"]) if found else is_worded(text)
