"""Lines that were broken at a fixed width are joined into paragraphs again.

A line is full when the first word of the next one would not have fitted on it; only then did
the width break it. A book is hard-wrapped when many of its lines are full and end in the
middle of a sentence, so verse, lists and one-paragraph-a-line books stay as they are.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from styledial.data.cleaning.ledger import Line

_SLACK = 4  # columns: a closing mark may hang over the edge or be pulled to the next line
_ENDS = re.compile("[。！？!?.：:；;…—”’」』）)\"'》】]$")
_LONE_MARKS = re.compile('^[\u3000 ]*[”’」』「“‘『"]+$')


@dataclass(frozen=True)
class Wrap:
    """The width a book was wrapped to, in columns, and whether paragraphs are indented."""

    width: int
    indented: bool


def find_wrap(sample: Sequence[Line]) -> Wrap | None:
    """The wrapping of a book, judged by its first lines; None where it has none."""
    texts = [line.text for line in sample]
    filled = sorted(columns(text) for text in texts if text.strip())
    if len(filled) < 8:
        return None
    width = filled[int(len(filled) * 0.98) - 1] if len(filled) > 50 else filled[-1]
    if not 30 <= width <= 160:
        return None
    wrap = Wrap(width, indented=False)
    full = [a for a, b in itertools.pairwise(texts) if b.strip() and _is_full(a, b, wrap)]
    broken = [text for text in full if not _ENDS.search(text)]
    if len(full) < 0.3 * len(filled) or len(broken) < 0.4 * len(full):
        return None
    leads = sum(text[0] in " \u3000" for text in texts if text.strip())
    return Wrap(width, indented=0.02 < leads / len(filled) < 0.8)


def is_spaced(sample: Sequence[Line]) -> bool:
    """Whether a blank line follows nearly every line, so that it means nothing."""
    texts = [line.text.strip() for line in sample]
    followed = [not b for a, b in itertools.pairwise(texts) if a]
    return len(followed) >= 8 and sum(followed) > 0.8 * len(followed)


def unwrap(
    lines: Iterable[Line], wrap: Wrap | None, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    """Paragraphs of a wrapped book; any other book's lines as they are, without indents.

    A line of nothing but quotation marks belongs to the paragraph before it in either case.
    """
    parts: list[str] = []
    number = 0
    last = ""
    for line in lines:
        joins = bool(parts) and (
            _LONE_MARKS.match(line.text) is not None
            or (wrap is not None and _continues(last, line.text, wrap, is_title))
        )
        if parts and not joins:
            yield Line(number, "".join(parts))
            parts = []
        text = line.text.strip(" \u3000")
        if not text:
            yield Line(line.number, "")
        elif joins:
            parts.append((" " if _needs_space(last, text) else "") + text)
        else:
            number, parts = line.number, [text]
        last = line.text
    if parts:
        yield Line(number, "".join(parts))


def _continues(last: str, text: str, wrap: Wrap, is_title: Callable[[str], bool]) -> bool:
    if not text.strip() or not last.strip():
        return False
    if wrap.indented and text[0] in " \u3000":
        return False
    # With indented paragraphs, a line that stops in mid-sentence goes on though it isn't full.
    if not _is_full(last, text, wrap) and not (wrap.indented and not _ENDS.search(last)):
        return False
    return not is_title(last) and not is_title(text)


def _is_full(line: str, after: str, wrap: Wrap) -> bool:
    word = after.lstrip(" \u3000").split(" ", 1)[0]
    first = columns(word) + 1 if word.isascii() else 2
    return columns(line) + first > wrap.width - _SLACK


def _needs_space(left: str, right: str) -> bool:
    return left[-1:].isascii() and right[:1].isascii()


def columns(text: str) -> int:
    """Width on a terminal: characters that take three bytes in UTF-8 take two columns."""
    return len(text) if text.isascii() else (len(text.encode("utf-8")) + len(text)) // 2
