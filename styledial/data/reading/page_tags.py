"""The elements of HTML by what they do to lines, and which of them end one another."""

from __future__ import annotations

BLOCKS = {
    "p", "div", "br", "li", "tr", "td", "th", "table", "blockquote", "section", "article", "hr",
    "dd", "dt", "dl", "ul", "ol", "pre", "figure", "figcaption", "header", "footer", "main",
    "center", "body", "aside", "address", "v", "subtitle", "empty-line", "text-author",
}  # fmt: skip
VOID = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
}  # fmt: skip
# Elements that HTML lets stand open: the next one of their kind ends them.
UNCLOSED = {"p": BLOCKS - {"br"}, "li": {"li"}, "dd": {"dd", "dt"}, "dt": {"dd", "dt"}}
UNCLOSED |= {"tr": {"tr"}, "td": {"td", "th", "tr"}, "th": {"td", "th", "tr"}}
_OF_BODY = BLOCKS | {"h1", "h2", "h3", "h4", "h5", "h6", "font", "center", "span"}
UNCLOSED |= {"head": _OF_BODY, "title": _OF_BODY}
