"""The tags of an XML or HTML file in order, read leniently."""

from __future__ import annotations

import re
from html.parser import HTMLParser

# HTMLParser raises AssertionError at any other word behind <![
_UNKNOWN_SECTION = re.compile(
    r"<!(?=\[(?!(?:temp|cdata|ignore|include|rcdata|if|else|endif)(?![-.\w])))", re.I
)


def parsable(text: str) -> str:
    """`text` with each < as a letter that HTMLParser stumbles over: those that nothing closes,
    for which it reads the whole rest of the page, once for each, and unknown sections."""
    closed = text.rfind("-->") + 1
    text = text[:closed] + text[closed:].replace("<!--", "&lt;!--")
    closed = text.rfind(">") + 1
    text = text[:closed] + text[closed:].replace("<", "&lt;")
    return _UNKNOWN_SECTION.sub("&lt;!", text)


class Tags(HTMLParser):
    """`found`: (name without prefix, attributes, text inside) of each tag; never raises."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str], str]] = []
        self.feed(parsable(text))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by HTMLParser."""
        given = {name: value or "" for name, value in attrs}
        self.found.append((tag.rpartition(":")[2], given, ""))

    def handle_data(self, data: str) -> None:
        """Called by HTMLParser."""
        if self.found and data.strip():
            tag, given, text = self.found[-1]
            self.found[-1] = (tag, given, f"{text} {data.strip()}".strip())
