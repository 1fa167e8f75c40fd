"""A page of HTML as lines: a paragraph a line, headings marked with # as in Markdown.

What a reader of the page doesn't see, and what isn't the book's own text, is left out: scripts,
hidden elements, readings of ruby, notes and the marks that lead to them.
"""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import NamedTuple

from styledial.data.reading.page_names import (
    MARK,
    PAGE_NUMBER,
    hidden_classes,
    is_box,
    is_of_text,
    is_title,
    may_be_mark,
    numbers_a_page,
    style_sheet,
    types_of,
    why_silent,
)
from styledial.data.reading.page_rows import (
    ANCHORED,
    OF_CLASS,
    PRE,
    SIGNS,
    page_rows,
)
from styledial.data.reading.page_tags import BLOCKS, UNCLOSED, VOID
from styledial.data.reading.tags import parsable

Attributes = list[tuple[str, str | None]]

HEADING = re.compile("h[1-6]")
_NOTE_TITLE = re.compile(r"(?:Chapter )?(?:Summary|Notes|End Notes)", re.I)  # before a quotation
_LONGEST_TITLE = 60
_FARTHEST = 50  # parts, many of them blank, behind the title of a note
_POWERS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
# mc², 5 km², x³: behind any other word a raised number is the mark of a note.
_SQUARED = re.compile(r"(?:^|\W)(?:[kcdm]?m|mc|[a-z])$")
_TYPED = ("html", "body", "section", "article", "div")


class _Open(NamedTuple):
    """An open element and what it has from those around it: `why` its text goes ("" where it
    stays), its types as epub:type has, whether it is in a link, in a site's box of text, in a
    heading, in <pre>, in what holds the page's text."""

    tag: str = ""
    why: str = ""
    types: frozenset[str] = frozenset()
    linked: bool = False
    of_text: bool = False
    heading: bool = False
    pre: bool = False
    boxed: bool = False


class Page(HTMLParser):
    """Reads a page; `lines` are its lines, `dropped` (reason, text) of what was left out.

    `hidden`: classes that the style sheets hide; `anchors`: the titles that a table of contents
    gives to places in the page, by their ids. A page with a site's menus: site_page.py.
    """

    def __init__(
        self,
        text: str,
        hidden: set[str] | None = None,
        anchors: dict[str, str] | None = None,
    ) -> None:
        super().__init__(convert_charrefs=True)
        self._hidden = (hidden or set()) | hidden_classes(style_sheet(text))
        self._anchors = {place: title for place, title in (anchors or {}).items() if place}
        self._parts: list[str] = []
        self._open: list[_Open] = []
        self._count: Counter[str] = Counter()  # of the open elements by tag
        # The text of an element that may be the mark of a note, or the number of a page.
        self._mark: list[str] | None = None
        self._mark_depth = 0
        self._mark_of_page = self._mark_linked = False
        self._title: int | None = None  # where a paragraph of a title's class began
        self._breaks = 0  # <br> since the last words
        self.dropped: list[tuple[str, str]] = []
        self.typed: Counter[str] = Counter()  # characters inside elements of each epub:type
        self.linked = 0  # characters inside links
        self.has_heading = False
        self.feed(parsable(text))
        self.close()
        self._end_mark()

    @property
    def lines(self) -> list[str]:
        """The paragraphs, without those that are empty."""
        return page_rows("".join(self._parts), self.has_heading)

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        """Called by HTMLParser; prefixes of tags and attributes are ignored."""
        tag = tag.rpartition(":")[2]
        given = {
            name.rpartition(":")[2] if name != "epub:type" else name: v or "" for name, v in attrs
        }
        if tag in VOID:
            self._break(tag)
            self._follow_breaks(tag)
            if tag == "img" and self._in_heading and not self._silent:
                self._parts.append(given.get("alt", ""))
            return
        while self._open and tag in UNCLOSED.get(self._open[-1].tag, ()):
            self._close(self._open[-1].tag)
        around = self._inner
        self._count[tag] += 1
        self._open.append(
            _Open(
                tag,
                around.why or self._why_silent(tag, given),
                around.types | types_of(given) if tag in _TYPED else around.types,
                around.linked or (tag == "a" and "href" in given),
                around.of_text or is_of_text(given),
                around.heading or HEADING.fullmatch(tag) is not None,
                around.pre or tag == "pre",
                around.boxed or is_box(given),
            )
        )
        if not self._silent and self._mark is None:
            self._mark_of_page, self._mark_linked = numbers_a_page(given), False
            if self._mark_of_page or may_be_mark(tag, given):
                self._mark, self._mark_depth = [], len(self._open)
        if not self._silent:
            self._anchor(given)
            self._begin(tag, given)

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        """Called by HTMLParser for a self-closed tag: a break, or the name of a picture."""
        if tag in VOID:
            self.handle_starttag(tag, attrs)
        else:
            self._break(tag.rpartition(":")[2])

    def handle_endtag(self, tag: str) -> None:
        """Called by HTMLParser; closes the innermost open tag of that name."""
        self._close(tag.rpartition(":")[2])

    def handle_data(self, data: str) -> None:
        """Called by HTMLParser; text goes to the paragraph, the note mark or `dropped`."""
        if self._silent:
            if data.strip() and self._silent != "markup":
                self.dropped.append((self._silent, data.strip()))
            return
        data = SIGNS.sub("", data)
        self._breaks = 0 if data.strip() else self._breaks
        inner = self._inner
        if inner.linked:
            self.linked += len(data.strip())
        for name in inner.types:
            self.typed[name] += len(data.strip())
        if self._mark is not None:
            self._mark.append(data)
            self._mark_linked = self._mark_linked or inner.linked
            return
        # "# " at the start of a line would be taken for a heading.
        said = re.sub(r"^(\s*#+)\s+", r"\1", data) if self._at_start() else data
        self._add_words(self._as_lines(said))

    def _add_words(self, words: str) -> None:
        self._parts.append(words)

    def _as_lines(self, data: str) -> str:
        """Inside <pre>, each line as a row of its own."""
        return data.replace("\n", f"\0{PRE}") if self._inner.pre else data

    @property
    def _inner(self) -> _Open:
        """The innermost open element."""
        return self._open[-1] if self._open else _Open()

    @property
    def _silent(self) -> str:
        return self._inner.why

    @property
    def _in_heading(self) -> bool:
        return self._inner.heading

    def _anchor(self, given: dict[str, str]) -> None:
        """The title that the table of contents gives to this place."""
        title = self._anchors.pop(given.get("id") or given.get("name", ""), "")
        if title and self._mark is None:
            self._parts.append(f"\0{ANCHORED}{title}\0")

    def _why_silent(self, tag: str, given: dict[str, str]) -> str:
        if why := why_silent(tag, given, self._hidden):
            return why
        if tag == "blockquote" and self._after_note_title():
            return "author's note"
        return ""

    def _after_note_title(self) -> bool:
        """Whether the last paragraph heads a note or summary, as AO3 sets them; it goes too."""
        place = len(self._parts) - 1
        least = max(0, place - _FARTHEST)
        while place >= least and not self._parts[place].strip("\0 \n"):
            place -= 1
        text = self._parts[place].strip("\0 \n") if place >= least else ""
        if not _NOTE_TITLE.fullmatch(text):
            return False
        self._parts[place] = "\0"  # what is noted of the parts after it still holds
        self.dropped.append(("author's note", text))
        return True

    def _begin(self, tag: str, given: dict[str, str]) -> None:
        if HEADING.fullmatch(tag):
            self._parts.append("\0# ")
            self.has_heading = True
        elif tag == "p" and is_title(given):
            self._title = len(self._parts)
            self._parts.append("\0")
        elif tag == "q":
            self._parts.append("“")
        elif tag == "pre":
            self._parts.append(f"\0{PRE}")
        else:
            self._break(tag)

    def _break(self, tag: str) -> None:
        if tag in BLOCKS and not self._silent:
            inside = " " if self._in_heading else "\0"
            (self._parts if self._mark is None else self._mark).append(inside)

    def _follow_breaks(self, tag: str) -> None:
        """Two <br> in a row are a blank line: in it ends a paragraph that was broken in lines."""
        self._breaks += tag == "br"
        if self._breaks == 2 and not self._silent and self._mark is None and not self._in_heading:
            self._parts.append(f"{PRE}\0")

    def _close(self, tag: str) -> None:
        if not self._count[tag]:
            if tag == "p":
                self._break(tag)
            return
        while self._open:
            if self._mark is not None and len(self._open) <= self._mark_depth:
                self._end_mark()
            name, why, *_ = self._open.pop()
            self._count[name] -= 1
            if not why and (name in BLOCKS or HEADING.fullmatch(name)):
                self._end_block(name)
            elif not why and name == "q":
                self._parts.append("”")
            if name == tag:
                return

    def _end_block(self, name: str) -> None:
        self._parts.append(" " if self._in_heading else "\0")
        if name == "p":
            self._settle_title()

    def _settle_title(self) -> None:
        """A paragraph of a title's class becomes a heading where it is short."""
        start, self._title = self._title, None
        if start is not None:
            text = "".join(self._parts[start:]).strip("\0 \n")
            if 0 < len(text) <= _LONGEST_TITLE and "\0" not in text:
                self._parts[start] = f"\0{OF_CLASS}"
                self.has_heading = True

    def _end_mark(self) -> None:
        if self._mark is None:
            return
        text = "".join(self._mark)
        self._mark = None
        pattern = PAGE_NUMBER if self._mark_of_page else MARK
        if not (self._mark_of_page or self._mark_linked) and self._is_power(text):
            self._parts.append(text.translate(_POWERS))
        elif text.strip() and pattern.fullmatch(text.strip()):
            why = "page number" if self._mark_of_page else "notes"
            self.dropped.append((why, text.strip()))
        else:
            self._add_words(text)

    def _is_power(self, text: str) -> bool:
        """Whether a raised number belongs to the number, unit or letter before it."""
        before = "".join(self._parts[-1:])[-8:]
        squared = text in ("2", "3") and _SQUARED.search(before) is not None
        return text.isdecimal() and (before[-1:].isdecimal() or squared)

    def _at_start(self) -> bool:
        return not self._parts or self._parts[-1].endswith("\0")
