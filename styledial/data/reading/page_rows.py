"""The rows of a page, once it has been read: spaces, lines of <pre>, titles without a heading.

While a page is read, signs stand for what only the whole page decides:

    \\2  before a line of <pre>, which keeps its spaces and may be empty
    \\3  before a title that stands in the table of contents only
    \\4  before a paragraph that its class calls a title
    \\5 … \\6  round the words of a link
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

PRE, ANCHORED, OF_CLASS, LINK, LINK_END = "\2", "\3", "\4", "\5", "\6"
SIGNS = re.compile("[\0-\x08]")  # in a page's own text they say nothing
_APART = (
    200  # characters between titles by their class, at the mean: closer together they are names
)
_LINKS = re.compile(rf"{LINK}[^{LINK_END}]*{LINK_END}")
_BETWEEN_LINKS = re.compile(r"[\s|｜/·•:：<>«»‹›←→↑↓\[\]【】()（）-]*")
_SAID = re.compile(r"""[“”"「」『』«»]|[，,]\s?\w|[。！？!?.…—’'）)》:：;；~～*]$""")


def page_rows(text: str, has_heading: bool) -> list[str]:
    """The paragraphs in what a page gave, without those that are empty; headings begin with #.

    `has_heading`: the page has headings, so that titles of the table of contents aren't needed.
    """
    rows = [row for part in text.split("\0") if (row := _row(part)) is not None]
    rows = list(_with_titles_of_class(rows))
    if has_heading:
        return [row for row in rows if not row.startswith(ANCHORED)]
    return list(_with_titles(rows))


def _row(part: str) -> str | None:
    if part.startswith(PRE):
        return part[1:].rstrip()
    row = re.sub(r"[ \t\r\n]+", " ", part).strip(" ")
    return row if row.strip() and row != "#" else None


def without_links(rows: list[str], is_title: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """(the rows, those left out): of a site's page go rows that are links and nothing else, but
    for titles and sentences."""
    kept: list[str] = []
    left_out: list[str] = []
    for row in rows:
        plain = row.replace(LINK, "").replace(LINK_END, "")
        goes = _is_links_only(row) and not _SAID.search(plain) and not is_title(plain)
        (left_out if goes else kept).append(plain)
    if sum(map(len, left_out)) > sum(map(len, kept)):
        return [row.replace(LINK, "").replace(LINK_END, "") for row in rows], []
    return kept, left_out


def _is_links_only(row: str) -> bool:
    return LINK in row and _BETWEEN_LINKS.fullmatch(_LINKS.sub("", row)) is not None


def _with_titles_of_class(rows: list[str]) -> Iterator[str]:
    """The rows that their class calls titles as headings, where they stand chapters apart: the
    names of speakers may be of such a class too."""
    count = sum(row.startswith(OF_CLASS) for row in rows)
    titles = count <= 2 or sum(map(len, rows)) >= _APART * count
    for row in rows:
        named = row.startswith(OF_CLASS)
        yield (f"# {row[1:]}" if titles else row[1:]) if named else row


def _with_titles(rows: list[str]) -> Iterator[str]:
    """The rows with the titles of the table of contents as headings; a row that only repeats the
    title before it is the same."""
    title = ""
    for row in rows:
        if row.startswith(ANCHORED):
            title = row[1:]
            yield f"# {title}"
        elif not title or "".join(row.split()) != "".join(title.split()):
            title = ""
            yield row
