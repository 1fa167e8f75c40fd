"""A page of HTML as lines: a paragraph a line, headings marked with # as in Markdown.

What a reader of the page doesn't see, and what isn't the book's own text, is left out: scripts,
hidden elements, readings of ruby, notes and the marks that lead to them, a site's menus.
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
    is_of_site,
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
    LINK,
    LINK_END,
    OF_CLASS,
    PRE,
    SIGNS,
    page_rows,
)
from styledial.data.reading.page_tags import BLOCKS, UNCLOSED, VOID
from styledial.data.reading.tags import parsable

Attributes = list[tuple[str, str | None]]

_HEADING = re.compile("h[1-6]")
_NOTE_TITLE = re.compile(r"(?:Chapter )?(?:Summary|Notes|End Notes)", re.I)  # before a quotation
_LONGEST_TITLE = 60
_BOXED = -1
_SHARE = 0.8  # of a page's text, which a site's box of it holds
# Paragraphs of sentences outside the box that are too many for a site's own words.
_TOLD = 3
_SENTENCE = re.compile(r"(?:.{60}|[\u3400-\u9fff].{24}).*[.!?…。！？][\"'”’」』»)]?", re.S)
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
    gives to places in the page, by their ids; `of_site`: the page may have a site's menus.
    """

    def __init__(
        self,
        text: str,
        hidden: set[str] | None = None,
        anchors: dict[str, str] | None = None,
        *,
        of_site: bool = False,
    ) -> None:
        super().__init__(convert_charrefs=True)
        self._hidden = (hidden or set()) | hidden_classes(style_sheet(text))
        self._anchors = {place: title for place, title in (anchors or {}).items() if place}
        self._of_site = of_site
        self._parts: list[str] = []
        self._open: list[_Open] = []
        self._count: Counter[str] = Counter()  # of the open elements by tag
        # The text of an element that may be the mark of a note, or the number of a page.
        self._mark: list[str] | None = None
        self._mark_depth = 0
        self._mark_of_page = self._mark_linked = False
        self._title: int | None = None  # where a paragraph of a title's class began
        self._breaks = 0  # <br> since the last words
        # (place in `_parts`, _BOXED in what holds a site's text, the number of its heading, 0)
        self._places: list[tuple[int, int]] = []
        self._heading = 0
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
                around.heading or _HEADING.fullmatch(tag) is not None,
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
        self._place(inner)
        self._parts.append(self._as_link(self._as_lines(said)))

    def _place(self, inner: _Open) -> None:
        """Notes where the next part of a site's page stands."""
        if not self._of_site:
            return
        if inner.boxed:
            self._places.append((len(self._parts), _BOXED))
        else:
            self._places.append((len(self._parts), self._heading if inner.heading else 0))

    def leave_out_the_rest(self) -> None:
        """Drops what stands outside the boxes of text where these have nearly all of it, but for
        the last heading above each of them; all stays where a part of the story is outside."""
        size = sum(len(self._parts[at]) for at, kind in self._places if kind == _BOXED)
        if size < _SHARE * sum(map(len, self._parts)):
            return
        kept, above = {_BOXED}, _BOXED
        for _, kind in self._places:
            if kind == _BOXED:
                kept.add(above)
            above = kind or above
        outside = [at for at, kind in self._places if kind not in kept]
        said = {at: text for at in outside if (text := self._parts[at].strip())}
        if sum(_SENTENCE.fullmatch(text) is not None for text in said.values()) >= _TOLD:
            return
        for at, text in said.items():
            self.dropped.append(("navigation", text))
            self._parts[at] = ""

    def _as_lines(self, data: str) -> str:
        """Inside <pre>, each line as a row of its own."""
        return data.replace("\n", f"\0{PRE}") if self._inner.pre else data

    def _as_link(self, data: str) -> str:
        """Words that are a link of a site's page between their signs."""
        return f"{LINK}{data}{LINK_END}" if self._of_site and self._inner.linked else data

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
        of_site = self._of_site and is_of_site(tag, given)
        if tag == "footer" and self._count["blockquote"]:  # says who is quoted
            return ""
        return "navigation" if of_site and not self._inner.of_text else ""

    def _after_note_title(self) -> bool:
        """Whether the last paragraph heads a note or summary, as AO3 sets them; it goes too."""
        place = len(self._parts) - 1
        least = max(0, place - _FARTHEST)
        while place >= least and not self._parts[place].strip("\0 \n"):
            place -= 1
        text = self._parts[place].strip("\0 \n") if place >= least else ""
        if not _NOTE_TITLE.fullmatch(text):
            return False
        del self._parts[place]
        self.dropped.append(("author's note", text))
        return True

    def _begin(self, tag: str, given: dict[str, str]) -> None:
        if _HEADING.fullmatch(tag):
            self._parts.append("\0# ")
            self.has_heading = True
            self._heading += 1
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
            if not why and (name in BLOCKS or _HEADING.fullmatch(name)):
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
            self._parts.append(self._as_link(text))

    def _is_power(self, text: str) -> bool:
        """Whether a raised number belongs to the number, unit or letter before it."""
        before = "".join(self._parts[-1:])[-8:]
        squared = text in ("2", "3") and _SQUARED.search(before) is not None
        return text.isdecimal() and (before[-1:].isdecimal() or squared)

    def _at_start(self) -> bool:
        return not self._parts or self._parts[-1].endswith("\0")


def site_page(text: str) -> Page:
    """A page as a site gives it, without menus and the like; where they would be most of its
    text, the names in it mean something else, and all of it stays."""
    page = Page(text, of_site=True)
    page.leave_out_the_rest()
    left_out = sum(len(said) for why, said in page.dropped if why == "navigation")
    return page if left_out <= sum(map(len, page.lines)) else Page(text)
