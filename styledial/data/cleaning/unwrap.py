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

from styledial.data.cleaning.hyphens import Hyphens
from styledial.data.cleaning.language import CHINESE, Language
from styledial.data.cleaning.ledger import Line

_SLACK = 4  # columns: a closing mark may hang over the edge or be pulled to the next line
_VERSE = 0.3  # of the lines in mid-sentence aren't full: their author broke them, not the width
_ENDS = re.compile("[。！？!?.：:；;…—”’」』）)\"'》】»›“।۔؟]$")
_LEADS = " \t\u00a0\u3000"
# Scripts without spaces between words, and their marks.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]"
)
_JUSTIFIED = re.compile(r"(?<=[^\W\d_,;])(?:  +)(?=\S)")
_LONE_MARKS = re.compile('^[\u3000 ]*[”’」』「“‘『"]+$')


@dataclass(frozen=True)
class Wrap:
    """The width a book was wrapped to, in columns, and whether paragraphs are indented.

    `justified`: lines were filled to the width with spaces between words.
    """

    width: int
    indented: bool
    language: Language = CHINESE
    justified: bool = False


def find_wrap(sample: Sequence[Line], language: Language = CHINESE) -> Wrap | None:
    """The wrapping of a book, judged by its first lines; None where it has none."""
    texts = [line.text for line in sample]
    filled = sorted(columns(text, language) for text in texts if text.strip())
    if len(filled) < 8:
        return None
    width = filled[int(len(filled) * 0.98) - 1] if len(filled) > 50 else filled[-1]
    if not 30 <= width <= 160:
        return None
    wrap = Wrap(width, indented=False, language=language)
    pairs = [(a, b) for a, b in itertools.pairwise(texts) if a.strip() and b.strip()]
    full = [a for a, b in pairs if _is_full(a, b, wrap)]
    broken = [text for text in full if not _ENDS.search(text)]
    in_sentence = sum(_ENDS.search(a) is None for a, _ in pairs)
    if in_sentence - len(broken) >= _VERSE * in_sentence:
        return None
    if len(full) < 0.3 * len(filled) or len(broken) < 0.4 * len(full):
        return None
    leads = sum(text[0] in _LEADS for text in texts if text.strip())
    gaps = sum(_JUSTIFIED.search(text.strip()) is not None for text in full)
    justified = language.spaced and gaps > 0.4 * len(full)
    return Wrap(width, 0.02 < leads / len(filled) < 0.8, language, justified)


def is_spaced(sample: Sequence[Line]) -> bool:
    """Whether a blank line follows nearly every line, so that it means nothing."""
    texts = [line.text.strip() for line in sample]
    followed = [not b for a, b in itertools.pairwise(texts) if a]
    return len(followed) >= 8 and sum(followed) > 0.8 * len(followed)


def unwrap(
    lines: Iterable[Line],
    wrap: Wrap | None,
    is_title: Callable[[str], bool],
    hyphens: Hyphens | None = None,
) -> Iterator[Line]:
    """Paragraphs of a wrapped book; any other book's lines as they are, without indents.

    A line of nothing but quotation marks belongs to the paragraph before it in either case.
    """
    parts: list[str] = []
    number = 0
    last = ""
    hyphens = hyphens or Hyphens()
    spaced = wrap is not None and wrap.language.spaced
    for line in lines:
        joins = bool(parts) and (
            _LONE_MARKS.match(line.text) is not None
            or (wrap is not None and _continues(last, line.text, wrap, is_title))
        )
        if parts and not joins:
            yield Line(number, "".join(parts))
            parts = []
        text = line.text.strip(_LEADS)
        if wrap is not None and wrap.justified:
            text = re.sub("  +", " ", text)
        if not text:
            yield Line(line.number, "")
        elif joins:
            parts[-1], space = joint(parts[-1], text, hyphens, spaced)
            parts.append(space + text)
        else:
            number, parts = line.number, [text]
        last = line.text
    if parts:
        yield Line(number, "".join(parts))


def _continues(last: str, text: str, wrap: Wrap, is_title: Callable[[str], bool]) -> bool:
    if not text.strip() or not last.strip():
        return False
    if wrap.indented and text[0] in _LEADS:
        return False
    # With indented paragraphs, a line that stops in mid-sentence goes on though it isn't full.
    if not _is_full(last, text, wrap) and not (wrap.indented and not _ENDS.search(last)):
        return False
    return not is_title(last) and not is_title(text)


def _is_full(line: str, after: str, wrap: Wrap) -> bool:
    word = after.lstrip(_LEADS).split(" ", 1)[0]
    language = wrap.language
    first = columns(word, language) + 1 if language.spaced or word.isascii() else 2
    return columns(line, language) + first > wrap.width - _SLACK


def joint(left: str, right: str, hyphens: Hyphens, spaced: bool) -> tuple[str, str]:
    """(`left` as it is to stand, the space before `right`) where a line break parted them."""
    a, b = left[-1:], right[:1]
    if _LONE_MARKS.match(right):
        return left, ""
    if (joined := hyphens.join(left, right)) is not None:
        return joined, ""
    if not spaced:
        return left, " " if a.isascii() and b.isascii() else ""
    if (UNSPACED.match(a) and UNSPACED.match(b)) or (
        not hyphens.dashes_open and _dash_joins(left, right)
    ):
        return left, ""
    return left, " "


def _dash_joins(left: str, right: str) -> bool:
    """Whether a dash at the break stands close to both its words, as in `again--/not`."""
    for dash in ("--", "—", "⸺"):
        if left.endswith(dash):
            return not left.rstrip("-—⸺").endswith((" ", "\u00a0")) and left.strip("-—⸺") != ""
        if right.startswith(dash):
            return not right.lstrip("-—⸺").startswith((" ", "\u00a0"))
    return False


def ends_sentence(text: str) -> bool:
    """Whether a line ends as a sentence, a heading or a line of speech does."""
    return _ENDS.search(text) is not None


def columns(text: str, language: Language = CHINESE) -> int:
    """Width on a terminal. In a script of wide characters, those that take three bytes in UTF-8
    take two columns; in any other a character takes one."""
    if text.isascii() or not language.wide:
        return len(text)
    return (len(text.encode("utf-8")) + len(text)) // 2
