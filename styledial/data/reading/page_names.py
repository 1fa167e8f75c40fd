"""What the names in a page say: which elements are notes, hidden, or of the site and not the book.

Tags, classes, ids and epub:type, as EPUB, AO3, Royal Road, Narou and common site software set them.
"""

from __future__ import annotations

import re

Given = dict[str, str]  # the attributes of an element

_SILENT = {
    "script", "style", "head", "title", "nav", "rt", "rp", "rtc", "template", "noscript", "svg",
    "math", "object", "iframe", "button", "select", "textarea",
}  # fmt: skip
_NOTE_TYPES = {"footnote", "footnotes", "endnote", "endnotes", "rearnote", "rearnotes", "noteref"}
_NOTE_CLASS = re.compile(
    r"(?:duokan-)?(?:foot|end|rear)-?notes?(?:-(?:item|content|list))?|noteref", re.I
)
_AUTHOR_CLASS = re.compile(
    r"authors?-?notes?(?:-portlet)?|author-s-note|novel_[pa]|p-novel__text--(?:preface|afterword)",
    re.I,
)
_OF_AO3 = ({"notes", "module"}, {"summary", "module"})
_HEADING_CLASS = re.compile(
    r"(?:chapter|section|part)?-?(?:title|head(?:ing)?|name)|chapter|h[1-6]", re.I
)
# The text of a note's mark, of a page's number: [12], *, ①; [Pg 12], p. 12, xii.
MARK = re.compile(
    r"[\[(（［〔【]?\s*(?:注|註|note)?\s*(?:\d{1,3}|[*†‡]+|[①-⑳]|[ivx]{1,4})?\s*[\])）］〕】]?|"
    r"[\[(][a-z][\])]",
    re.I,
)
PAGE_NUMBER = re.compile(
    r"[\[({]?\s*(?:pg|p|page|seite|s|стр)?\.?\s*(?:\d{1,4}|[ivxlc]{1,7})\s*[\])}]?", re.I
)
_PAGE_CLASS = re.compile(r"page-?(?:num|no|number)s?", re.I)
# Parts of a site's page, in the words that site software uses for them.
_OF_SITE = re.compile(
    r"(?:(?:site|main|top|page|chapter|post|entry|global|left|right|chap)-)?"
    r"(?:nav(?:bar|igation|-?links)?|menu|breadcrumbs?|sidebar|footer|pagination|pager|toolbar)|"
    r"comments?-?(?:list|area|section|form)|comments|disqus-thread|respond|"
    r"share|sharing|share-buttons|related(?:-posts)?|cookie-?(?:banner|notice|consent)|"
    r"num-comment|advert(?:isement)?s?|ads|popup|modal|bottem\d?|novel-(?:no|bn)",
    re.I,
)
# A paragraph of a story may be of such a class: what stood on a menu, a message that popped up.
_OF_STORIES = {"menu", "share", "popup", "modal", "comments", "related"}
_SITE_TAGS = ("div", "ul", "ol", "section", "aside", "footer", "table", "p", "span")
# Inside these stands what an author wrote, whatever its classes are.
_OF_TEXT = re.compile(
    r"userstuff|(?:chapter|entry|post|reading)-(?:content|inner|body|text)|storytext", re.I
)
# What holds the text on a page of a site, by its id; menus may be in it too.
_BOX = re.compile(
    r"(?:chapter|book|read|html|story|text|js)?-?_?content|booktxt|nr1|storytext", re.I
)
_SHARING = {"sharedaddy", "jp-relatedposts", "addtoany_share_save_container"}
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_STYLE, _STYLE_END = re.compile(r"<style[^<>]*>", re.I), re.compile(r"</style", re.I)
# What a style sheet says of other devices (@media amzn-mobi) hides nothing here.
_OTHER_MEDIA = re.compile(r"@media[^{};@]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
_ONE_CLASS = re.compile(r"\s*[\w-]*\.([\w-]+)\s*")


def style_sheet(page: str) -> str:
    """What stands in a page's own <style> elements."""
    return "\n".join(_STYLE_END.split(part, 1)[0] for part in _STYLE.split(page)[1:])


def hidden_classes(css: str) -> set[str]:
    """The classes that a style sheet hides wherever they stand."""
    first, *parts = css.split("/*")
    plain = _OTHER_MEDIA.sub("", first + "".join(part.partition("*/")[2] for part in parts))
    hidden: set[str] = set()
    for rule in plain.split("}"):
        selectors, _, style = rule.rpartition("{")
        if _HIDDEN_STYLE.search(style):
            found = map(_ONE_CLASS.fullmatch, selectors.split(","))
            hidden.update(one[1] for one in found if one is not None)
    return hidden


def types_of(given: Given) -> frozenset[str]:
    """The element's epub:type."""
    return frozenset(given.get("epub:type", "").split())


def why_silent(tag: str, given: Given, hidden: set[str]) -> str:
    """Why an element's text isn't the book's; nothing where it is."""
    if tag in _SILENT:
        return "markup"
    types = types_of(given) | {given.get("role", "").removeprefix("doc-")}
    classes = set(given.get("class", "").split())
    if types & _NOTE_TYPES or any(map(_NOTE_CLASS.fullmatch, classes)):
        return "notes"
    if classes & _SHARING:
        return "navigation"
    if "toc-entry" in classes:
        return "contents"
    by_author = any(map(_AUTHOR_CLASS.fullmatch, classes | {given.get("id", "")}))
    if by_author or any(names <= classes for names in _OF_AO3):
        return "author's note"
    unseen = "hidden" in given or _HIDDEN_STYLE.search(given.get("style", ""))
    return "hidden" if unseen or hidden & classes else ""


def is_of_site(tag: str, given: Given) -> bool:
    """Whether an element is a site's menu, footer, comments or the like."""
    names = {*given.get("class", "").split(), given.get("id", "")}
    if tag in ("p", "span"):
        names -= _OF_STORIES
    return tag == "footer" or (
        tag in _SITE_TAGS and any(_OF_SITE.fullmatch(name.replace("_", "-")) for name in names)
    )


def is_of_text(given: Given) -> bool:
    """Whether an element holds what an author wrote, by the name that site software gives it."""
    return any(map(_OF_TEXT.fullmatch, [*given.get("class", "").split(), given.get("id", "")]))


def is_box(given: Given) -> bool:
    """Whether an element holds the text of a site's page, and perhaps more."""
    return is_of_text(given) or _BOX.fullmatch(given.get("id", "")) is not None


def is_title(given: Given) -> bool:
    """Whether a paragraph's class calls it a title."""
    return any(map(_HEADING_CLASS.fullmatch, given.get("class", "").split()))


def numbers_a_page(given: Given) -> bool:
    """Whether an element marks where a page of the paper book began."""
    named = "pagebreak" in types_of(given) or given.get("role") == "doc-pagebreak"
    return named or any(map(_PAGE_CLASS.fullmatch, given.get("class", "").split()))


def may_be_mark(tag: str, given: Given) -> bool:
    """Whether an element may be the mark of a note: a superscript, a link inside the book."""
    return tag == "sup" or (tag == "a" and "#" in given.get("href", ""))
