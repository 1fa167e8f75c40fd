"""Where a text may be cut: between paragraphs, else sentences, else clauses or words."""

from __future__ import annotations

import re

SENTENCE_END = re.compile(r"[。！？!?]+[”」』’\"]*|\. ")
_PARAGRAPH_END = re.compile(r"\n")
_CLAUSE_END = re.compile(r"[，、；：,;:]+[”」』’\"]*|\s+")


def cut_near(text: str, place: int, slack: int) -> int:
    """The best place to cut within `slack` characters of `place`, the nearest of its kind.

    The end of the text counts as the end of a paragraph. `place` itself where the text has no
    mark and no space nearby.
    """
    ends = [len(text)] if abs(len(text) - place) <= slack else []
    for kind in (_PARAGRAPH_END, SENTENCE_END, _CLAUSE_END):
        ends += [m.end() for m in kind.finditer(text, max(0, place - slack), place + slack)]
        if ends:
            return min(ends, key=lambda end: abs(end - place))
    return place
