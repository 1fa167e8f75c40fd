"""A page of HTML as lines: a paragraph a line, headings marked with # as in Markdown.

What a reader of the page doesn't see, and what isn't the book's own text, is left out: scripts,
hidden elements, readings of ruby, notes and the marks that lead to them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import NamedTuple

from styledial.data.reading.encodings import decide, readings

Attributes = list[tuple[str, str | None]]

_BLOCKS = {
    "p", "div", "br", "li", "tr", "td", "th", "table", "blockquote", "section", "article", "hr",
    "dd", "dt", "dl", "ul", "ol", "pre", "figure", "figcaption", "header", "footer", "main",
    "center", "body", "aside", "address", "v", "subtitle", "empty-line", "text-author",
}  # fmt: skip
_SILENT = {
    "script", "style", "head", "title", "nav", "rt", "rp", "rtc", "template", "noscript", "svg",
    "math", "object", "iframe", "form", "button", "select", "textarea",
}  # fmt: skip
_VOID = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
}  # fmt: skip
# Elements that HTML lets stand open: the next one of their kind ends them.
_UNCLOSED = {"p": _BLOCKS - {"br"}, "li": {"li"}, "dd": {"dd", "dt"}, "dt": {"dd", "dt"}}
_UNCLOSED |= {"tr": {"tr"}, "td": {"td", "th", "tr"}, "th": {"td", "th", "tr"}}
_HEADING = re.compile("h[1-6]")
_NOTE_TYPES = {"footnote", "footnotes", "endnote", "endnotes", "rearnote", "rearnotes", "noteref"}
_NOTE_CLASS = re.compile(
    r"(?:duokan-)?(?:foot|end|rear)-?notes?(?:-(?:item|content|list))?|noteref", re.I
)
_AUTHOR_CLASS = re.compile(r"author-?s?-note(?:-portlet)?", re.I)
_NOTE_TITLE = re.compile(r"(?:Chapter )?(?:Summary|Notes|End Notes)", re.I)  # before a quotation
_HEADING_CLASS = re.compile(
    r"(?:chapter|section|part)?-?(?:title|head(?:ing)?|name)|chapter|h[1-6]", re.I
)
_MARK = re.compile(
    r"[\[(（［〔【]?\s*(?:注|註|note)?\s*(?:\d{1,3}|[*†‡]+|[①-⑳]|[ivx]{1,4})?\s*[\])）］〕】]?|"
    r"[\[(][a-z][\])]",
    re.I,
)
# [Pg 12], p. 12, xii: what an edition prints where a page of the paper book began.
_PAGE_CLASS = re.compile(r"page-?(?:num|no|number)s?", re.I)
_PAGE_NUMBER = re.compile(
    r"[\[({]?\s*(?:pg|p|page|seite|s|стр)?\.?\s*(?:\d{1,4}|[ivxlc]{1,7})\s*[\])}]?", re.I
)
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
# What a style sheet says of other devices (@media amzn-mobi) hides nothing here.
_OTHER_MEDIA = re.compile(r"@media[^{};@]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
_ONE_CLASS = re.compile(r"\s*[\w-]*\.([\w-]+)\s*")
_CHARSET = re.compile(rb"""(?:encoding|charset)\s*=\s*["']?\s*([\w.:-]+)""", re.I)
_LONGEST_TITLE = 60
_OF_CLASS = "\4"  # begins the row of a paragraph that its class calls a title
_APART = 200  # characters between such titles, at the mean: closer together they are names
_TYPED = ("html", "body", "section", "article", "div")
_ANCHORED = "\3"  # begins the row of a title that stands in the table of contents only


def hidden_classes(css: str) -> set[str]:
    """The classes that a style sheet hides wherever they stand."""
    first, *parts = css.split("/*")
    plain = _OTHER_MEDIA.sub("", first + "".join(part.partition("*/")[2] for part in parts))
    return {
        found[1]
        for selectors, style in _RULE.findall(plain)
        if _HIDDEN_STYLE.search(style)
        for selector in selectors.split(",")
        if (found := _ONE_CLASS.fullmatch(selector))
    }


def tags_of(raw: bytes) -> str:
    """The beginning of a file, decoded cheaply: what is ASCII, such as tags, is right."""
    marked = _marked(raw)
    return raw.decode("utf-8", "ignore") if marked is None else marked


def _marked(raw: bytes) -> str | None:
    """Decoded by a byte order mark, or as UTF-16 that begins with a tag."""
    for mark, name in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if raw.startswith(mark):
            return raw.decode(name, "replace")
    if raw[:2] in (b"<\0", b"\0<"):
        return raw.decode("utf-16-le" if raw[0] else "utf-16-be", "replace")
    return None


def page_text(raw: bytes) -> str:
    """A page decoded: by its mark, by what it declares, else by what it reads as."""
    marked = _marked(raw)
    if marked is not None:
        return marked
    declared = _CHARSET.search(raw[:1024])
    name = declared[1].decode("ascii").lower() if declared else "utf-8"
    if name in ("gb2312", "gbk"):
        name = "gb18030"
    elif name.startswith(("utf-16", "utf-32")):  # a declaration that is read as ASCII is wrong
        name = "utf-8"
    for tried in (name, "utf-8"):
        try:
            return raw.decode(tried)
        except (UnicodeError, LookupError):
            continue
    found = decide(readings(raw))
    return found.text if found else raw.decode("utf-8", "replace")


class _Open(NamedTuple):
    """An open element; `why` its text goes ("" where it stays), `types` of it as epub:type has."""

    tag: str
    why: str
    types: frozenset[str]
    linked: bool


class Page(HTMLParser):
    """Reads a page; `lines` are its lines, `dropped` (reason, text) of what was left out.

    `hidden`: classes that the style sheets hide; `anchors`: the titles that a table of contents
    gives to places in the page, by their ids: headings where the page has none of its own.
    """

    def __init__(
        self,
        text: str,
        hidden: set[str] | None = None,
        anchors: dict[str, str] | None = None,
    ) -> None:
        super().__init__(convert_charrefs=True)
        style = "".join(re.findall(r"(?is)<style[^>]*>(.*?)</style>", text))
        self._hidden = (hidden or set()) | hidden_classes(style)
        self._anchors = {place: title for place, title in (anchors or {}).items() if place}
        self._parts: list[str] = []
        self._open: list[_Open] = []
        # The text of an element that may be the mark of a note, or the number of a page.
        self._mark: list[str] | None = None
        self._mark_depth = 0
        self._mark_of_page = False
        self.dropped: list[tuple[str, str]] = []
        self.typed: Counter[str] = Counter()  # characters inside elements of each epub:type
        self.linked = 0  # characters inside links
        self.has_heading = False
        self.feed(text)
        self.close()
        self._end_mark()

    @property
    def lines(self) -> list[str]:
        """The paragraphs, without those that are empty."""
        rows = (
            re.sub(r"[ \t\r\n]+", " ", row).strip(" ") for row in "".join(self._parts).split("\0")
        )
        found = list(_with_titles_of_class([row for row in rows if row.strip() and row != "#"]))
        if self.has_heading:
            return [row for row in found if not row.startswith(_ANCHORED)]
        return list(_with_titles(found))

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        """Called by HTMLParser; prefixes of tags and attributes are ignored."""
        tag = tag.rpartition(":")[2]
        given = {
            name.rpartition(":")[2] if name != "epub:type" else name: v or "" for name, v in attrs
        }
        if tag in _VOID:
            self._break(tag)
            if tag == "img" and self._in_heading and not self._silent:
                self._parts.append(given.get("alt", ""))
            return
        while self._open and tag in _UNCLOSED.get(self._open[-1].tag, ()):
            self._close(self._open[-1].tag)
        types = _types(given) if tag in _TYPED else frozenset[str]()
        why = self._silent or self._why_silent(tag, given)
        self._open.append(_Open(tag, why, types, tag == "a" and "href" in given))
        if not self._silent and self._mark is None:
            self._mark_of_page = _numbers_a_page(given)
            if self._mark_of_page or _may_be_mark(tag, given):
                self._mark, self._mark_depth = [], len(self._open)
        if not self._silent:
            self._anchor(given)
            self._begin(tag, given)

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        """Called by HTMLParser for a self-closed tag: a break, or the name of a picture."""
        if tag in _VOID:
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
        if any(element.linked for element in self._open):
            self.linked += len(data.strip())
        for name in frozenset[str]().union(*(element.types for element in self._open)):
            self.typed[name] += len(data.strip())
        if self._mark is not None:
            self._mark.append(data)
        else:
            # "# " at the start of a line would be taken for a heading.
            self._parts.append(re.sub(r"^(\s*#+)\s+", r"\1", data) if self._at_start() else data)

    @property
    def _silent(self) -> str:
        return self._open[-1].why if self._open else ""

    @property
    def _in_heading(self) -> bool:
        return any(_HEADING.fullmatch(element.tag) for element in self._open)

    def _anchor(self, given: dict[str, str]) -> None:
        """The title that the table of contents gives to this place."""
        title = self._anchors.pop(given.get("id") or given.get("name", ""), "")
        if title and self._mark is None:
            self._parts.append(f"\0{_ANCHORED}{title}\0")

    def _why_silent(self, tag: str, given: dict[str, str]) -> str:
        if tag in _SILENT:
            return "markup"
        types = _types(given) | {given.get("role", "").removeprefix("doc-")}
        classes = given.get("class", "").split()
        if types & _NOTE_TYPES or any(_NOTE_CLASS.fullmatch(name) for name in classes):
            return "notes"
        if any(_AUTHOR_CLASS.fullmatch(name) for name in classes):
            return "author's note"
        if tag == "blockquote" and self._after_note_title():
            return "author's note"
        hidden = "hidden" in given or _HIDDEN_STYLE.search(given.get("style", ""))
        return "hidden" if hidden or self._hidden & set(classes) else ""

    def _after_note_title(self) -> bool:
        """Whether the last paragraph heads a note or summary, as AO3 sets them; it goes too."""
        place = len(self._parts) - 1
        while place >= 0 and not self._parts[place].strip("\0 \n"):
            place -= 1
        text = self._parts[place].strip("\0 \n") if place >= 0 else ""
        if not _NOTE_TITLE.fullmatch(text):
            return False
        del self._parts[place]
        self.dropped.append(("author's note", text))
        return True

    def _begin(self, tag: str, given: dict[str, str]) -> None:
        classes = given.get("class", "").split()
        if _HEADING.fullmatch(tag):
            self._parts.append("\0# ")
            self.has_heading = True
        elif tag == "p" and any(_HEADING_CLASS.fullmatch(name) for name in classes):
            self._parts.append("\0\1")
        else:
            self._break(tag)

    def _break(self, tag: str) -> None:
        if tag in _BLOCKS and not self._silent:
            inside = " " if self._in_heading else "\0"
            (self._parts if self._mark is None else self._mark).append(inside)

    def _close(self, tag: str) -> None:
        if tag not in (element.tag for element in self._open):
            if tag == "p":
                self._break(tag)
            return
        while self._open:
            if self._mark is not None and len(self._open) <= self._mark_depth:
                self._end_mark()
            name, why, _, _ = self._open.pop()
            if not why and (name in _BLOCKS or _HEADING.fullmatch(name)):
                self._end_block(name)
            if name == tag:
                return

    def _end_block(self, name: str) -> None:
        self._parts.append(" " if self._in_heading else "\0")
        if name == "p":
            self._settle_title()

    def _settle_title(self) -> None:
        """A paragraph of a title's class becomes a heading where it is short."""
        start = next(
            (i for i in range(len(self._parts) - 1, -1, -1) if "\1" in self._parts[i]), None
        )
        if start is not None:
            text = "".join(self._parts[start:]).strip("\0\1 \n")
            title = 0 < len(text) <= _LONGEST_TITLE and "\0" not in text
            self._parts[start] = f"\0{_OF_CLASS}" if title else "\0"
            self.has_heading = self.has_heading or title

    def _end_mark(self) -> None:
        if self._mark is None:
            return
        text = "".join(self._mark)
        self._mark = None
        pattern = _PAGE_NUMBER if self._mark_of_page else _MARK
        power = text[:1].isdecimal() and "".join(self._parts[-1:])[-1:].isdecimal()  # 10²
        if text.strip() and not power and pattern.fullmatch(text.strip()):
            why = "page number" if self._mark_of_page else "notes"
            self.dropped.append((why, text.strip()))
        else:
            self._parts.append(text)

    def _at_start(self) -> bool:
        return not self._parts or self._parts[-1].endswith("\0")


def _types(given: dict[str, str]) -> frozenset[str]:
    return frozenset(given.get("epub:type", "").split())


def _numbers_a_page(given: dict[str, str]) -> bool:
    """Whether an element marks where a page of the paper book began."""
    named = "pagebreak" in _types(given) or given.get("role") == "doc-pagebreak"
    return named or any(map(_PAGE_CLASS.fullmatch, given.get("class", "").split()))


def _with_titles_of_class(rows: list[str]) -> Iterator[str]:
    """The rows that their class calls titles as headings, where they stand chapters apart: the
    names of speakers may be of such a class too."""
    count = sum(row.startswith(_OF_CLASS) for row in rows)
    titles = count <= 2 or sum(map(len, rows)) >= _APART * count
    for row in rows:
        named = row.startswith(_OF_CLASS)
        yield (f"# {row[1:]}" if titles else row[1:]) if named else row


def _with_titles(rows: list[str]) -> Iterator[str]:
    """The rows with the titles of the table of contents as headings; a row that only repeats the
    title before it is the same."""
    title = ""
    for row in rows:
        if row.startswith(_ANCHORED):
            title = row[1:]
            yield f"# {title}"
        elif "".join(row.split()) != "".join(title.split()):
            title = ""
            yield row


def _may_be_mark(tag: str, given: dict[str, str]) -> bool:
    """A superscript, or a link inside the book."""
    return tag == "sup" or (tag == "a" and "#" in given.get("href", ""))


def page_lines(text: str, hidden: set[str] | None = None) -> Iterator[str]:
    """The lines of one page."""
    yield from Page(text, hidden).lines
