"""Words that a line end broke: the hyphen goes where the book has the word without it."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence

from styledial.data.cleaning.ledger import Line

_HEAD = re.compile(r"([^\W\d_]+)([-\u2010\u00ad\u00ac])$")
_TAIL = re.compile(r"[^\W\d_]+")

_BROKEN = re.compile(r"[\u2010-]\n\s*[^\W\d_]+")
_LONGEST_HEAD = 40  # letters before the hyphen


def _without_broken_words(text: str) -> str:
    """Text without the words that a line end breaks: they prove nothing."""
    parts: list[str] = []
    at = 0
    for broken in _BROKEN.finditer(text):
        start = max(at, broken.start() - _LONGEST_HEAD)
        head = re.compile(r"[^\W\d_]+$").search(text, start, broken.start())
        parts.append(text[at : head.start() if head else broken.start()])
        at = broken.end()
    return "\n".join([*parts, text[at:]])


def _opens_by_dashes(text: str) -> bool:
    """Whether dashes in the text's lines mostly stand close to one side, as Spanish sets them off:
    No —dijo Juana—, y calló. Elsewhere they are close to both sides or to none."""
    one_sided = close = 0
    for dash in re.finditer("—", text):
        before, after = text[dash.start() - 1 : dash.start()], text[dash.end() : dash.end() + 1]
        if "\n" not in before + after:
            opens, closes = before == " " and after.isalnum(), before.isalnum() and after in " ,.;:"
            one_sided += opens or closes
            close += before.isalnum() and after.isalnum()
    return one_sided > 2 * close


class Hyphens:
    """Joins the halves of a word, by the words that the book's first lines have.

    `after-/lecture` keeps its hyphen where the book writes after-lecture, or both halves but not
    the whole; `vig-/orous` loses it where the book has vigorous, or has not got the halves.
    `typeset`: the book is known to break words, whether its first lines prove it or not.
    """

    def __init__(self, sample: Sequence[Line] = (), *, typeset: bool = False) -> None:
        text = "\n".join(line.text for line in sample).lower()
        whole = _without_broken_words(text)
        self.words: Counter[str] = Counter(re.findall(r"[^\W\d_]+(?:[-\u2010][^\W\d_]+)*", whole))
        self.parts: Counter[str] = Counter(re.findall(r"[^\W\d_]+", whole))
        self.breaks = typeset or self._breaks_words(sample)
        self.dashes_open = _opens_by_dashes(text)

    def _breaks_words(self, sample: Sequence[Line]) -> bool:
        """Whether the book breaks words at line ends at all, and not only compounds."""
        proven = 0
        for a, b in itertools.pairwise(sample):
            head, tail = _HEAD.search(a.text), _TAIL.match(b.text.lstrip())
            if head and tail:
                joined = (head[1] + tail[0]).lower()
                proven += 1 if self.words[joined] else -1
        return proven > 0

    def join(self, left: str, right: str) -> str | None:
        """`left` as it stands before `right` without a space; None where no word is broken."""
        head, tail = _HEAD.search(left), _TAIL.match(right)
        if head is None or tail is None:
            return None
        without = left[: head.end(1)]
        if head[2] in "\u00ad\u00ac":
            return without
        first, second = head[1].lower(), tail[0].lower()
        if tail[0][0].isupper() and not head[1].isupper():
            return left  # Anglo-/Saxon
        if self.words[first + second] > self.words[f"{first}-{second}"]:
            return without
        if self.words[f"{first}-{second}"]:
            return left
        known = bool(self.parts[first] and self.parts[second])
        return without if self.breaks and not known else left
