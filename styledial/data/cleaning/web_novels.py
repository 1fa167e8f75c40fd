"""What sites that copy web novels print between the lines of a chapter, in English.

Each rule names all the words of a line, most with the address that is in it; a story may hold an
address, and these words, but not as such a line.
"""

from __future__ import annotations

import re

_LONGEST = 200  # characters
_SITE = (
    r"(?:https?://|www\.)?[\w-]{2,40}(?:\.[\w-]{1,20}){0,2}"
    r"\.(?:com|net|org|info|cc|io|me|co|xyz|site)\b\S{0,60}"
)
_THING = (
    r"(?:this |the |all )?(?:(?:current|latest|newest|new|more|free|full) ){0,3}"
    r"(?:novel chapters?|novels?|chapters?|stories|content|updates?)"
)
_LINES = (
    rf"(?:the )?source of this (?:content|chapter) (?:is|comes from) {_SITE}",
    rf"(?:{_THING} (?:is|are|was|were) )?(?:first )?"
    rf"(?:updated|published|uploaded|posted|hosted|taken|available) (?:from|by|on|at) {_SITE}",
    rf"(?:please )?visit {_SITE} for (?:a |the )?(?:better|best|latest|more|new|fast)[\w ]{{0,40}}",
    rf"(?:please )?(?:follow|read|find|get|enjoy) {_THING} (?:only )?(?:on|at|from) (?:the )?"
    rf"{_SITE}(?: only)?",
    rf"you can (?:find|read) the rest of this (?:content|chapter|novel) (?:on|at) (?:the )?{_SITE}"
    r"(?: platform)?",
    r"read (?:the )?latest chapters? at .{3,40}\bsite only",
    r"find authorized novels in webnovel\b.{0,120}",
    r"if you find any errors ?\(.{0,100}let us know.{0,60}",
    r"tip: you can use left, right.{0,60}keyboard keys.{0,40}",
)
_RULE = re.compile(f"[\\W_]{{0,4}}(?:{'|'.join(_LINES)})[\\W_]{{0,4}}", re.I)


def web_line(text: str) -> str:
    """Why a line is a copying site's, wherever it stands; nothing where it may be prose."""
    return "advertisement" if len(text) <= _LONGEST and _RULE.fullmatch(text) else ""
