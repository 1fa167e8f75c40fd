"""XML of any kind as a page: which of its elements are paragraphs, and which stand in a sentence.

An element is in a sentence where text of its parent touches it, or where its parent says much
itself: <p>He met <persName>Tom</persName> in <placeName>Bath</placeName>.</p>
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from styledial.data.reading.tags import parsable

_TAG = re.compile(r"<!--.*?-->|<[!?][^<>]*>|<(/?)([\w:.-]+)[^<>]*>", re.DOTALL)
_IN_A_LINE = {
    "i",
    "b",
    "u",
    "s",
    "a",
    "em",
    "hi",
    "emph",
    "strong",
    "span",
    "sub",
    "sup",
    "ruby",
    "rt",
    "rb",
}
_TITLES = ("title", "head")
_MUCH = 0.25  # of an element's characters: those that stand in none of its parts


@dataclass
class _Element:
    name: str
    parent: _Element | None
    opened: tuple[int, int]  # where its tags stand in the text
    closed: tuple[int, int] = (0, 0)
    touched: bool = False  # by text of its parent
    own: int = 0  # characters outside its parts
    total: int = 0
    ends_in_text: bool = False
    last: _Element | None = None

    @property
    def in_a_line(self) -> bool:
        if self.name in _IN_A_LINE or self.touched:
            return True
        return self.parent is not None and 0 < self.parent.own >= _MUCH * self.parent.total

    def says(self, text: str) -> None:
        size = len(text.strip())
        self.own += size
        self.total += size
        self.ends_in_text = size > 0
        if self.last is not None and size:
            self.last.touched = True


def as_page(text: str) -> str:
    """The text of an XML file as HTML: a break after each paragraph, h2 for titles."""
    text = parsable(text)
    edits: list[tuple[int, int, str]] = []
    for element in _elements(text):
        (start, begun), (end, done) = element.opened, element.closed
        if element.name == "q":  # its quotation marks are in the text
            edits += [(start, begun, "<span>"), (end, done, "</span>")]
        if element.name in _TITLES:
            tag = "span" if element.in_a_line else "h2"
            edits += [(start, begun, f"<{tag}>"), (end, done, f"</{tag}>")]
        if not element.in_a_line:
            edits.append((done, done, "<br/>"))
    parts, at = [], 0
    for start, end, new in sorted(edits):
        parts += [text[at:start], new]
        at = end
    return "".join([*parts, text[at:]])


def _elements(text: str) -> Iterator[_Element]:
    """The elements that are closed, once the whole text is read."""
    inner = _Element("", None, (0, 0))
    opened: Counter[str] = Counter()
    found: list[_Element] = []
    at = 0
    for tag in _TAG.finditer(text):
        inner.says(text[at : tag.start()])
        at = tag.end()
        name = (tag[2] or "").lower()
        if not name or tag[0].endswith("/>"):
            continue
        if not tag[1]:
            inner = _Element(name, inner, tag.span(), touched=inner.ends_in_text)
            opened[name] += 1
        while tag[1] and opened[name] and inner.parent is not None:
            ended, inner = inner, inner.parent
            opened[ended.name] -= 1
            inner.total += ended.total
            inner.last, inner.ends_in_text = ended, False
            if ended.name == name:
                ended.closed = tag.span()
                found.append(ended)
                break
    yield from found
