"""A page as a site gives it: the text that it holds, without menus, comments and other links."""

from __future__ import annotations

import re

from styledial.data.reading.markup import HEADING, Page
from styledial.data.reading.page_names import is_of_site
from styledial.data.reading.page_rows import LINK, LINK_END

_BOXED = -1
_SHARE = 0.8  # of a page's text, which a site's box of it holds
# Paragraphs of sentences outside the box that are too many for a site's own words.
_TOLD = 3
_SENTENCE = re.compile(r"(?:.{60}|[\u3400-\u9fff].{24}).*[.!?…。！？][\"'”’」』»)]?", re.S)


def site_page(text: str) -> Page:
    """A page without a site's menus and the like; where they would be most of its text, the names
    in it mean something else, and all of it stays."""
    page = _SitePage(text)
    page.leave_out_the_rest()
    left_out = sum(len(said) for why, said in page.dropped if why == "navigation")
    return page if left_out <= sum(map(len, page.lines)) else Page(text)


class _SitePage(Page):
    def __init__(self, text: str) -> None:
        # (place in `_parts`, _BOXED in what holds a site's text, the number of its heading, 0)
        self._places: list[tuple[int, int]] = []
        self._headings = 0
        super().__init__(text)

    def handle_data(self, data: str) -> None:
        """Called by HTMLParser; notes where the next part of the text stands."""
        place = len(self._parts)
        super().handle_data(data)
        if len(self._parts) > place:
            heading = self._headings if self._inner.heading else 0
            self._places.append((place, _BOXED if self._inner.boxed else heading))

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
        said = {at: text for at in outside if (text := self._parts[at].strip("\0 \n"))}
        if sum(_SENTENCE.fullmatch(text) is not None for text in said.values()) >= _TOLD:
            return
        for at, text in said.items():
            self.dropped.append(("navigation", text))
            self._parts[at] = ""

    def _add_words(self, words: str) -> None:
        """Words that are a link stand between their signs."""
        super()._add_words(f"{LINK}{words}{LINK_END}" if self._inner.linked else words)

    def _begin(self, tag: str, given: dict[str, str]) -> None:
        super()._begin(tag, given)
        self._headings += HEADING.fullmatch(tag) is not None

    def _why_silent(self, tag: str, given: dict[str, str]) -> str:
        if why := super()._why_silent(tag, given):
            return why
        if tag == "footer" and self._count["blockquote"]:  # says who is quoted
            return ""
        return "navigation" if is_of_site(tag, given) and not self._inner.of_text else ""
