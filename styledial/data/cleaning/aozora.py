"""Aozora Bunko's form: ruby, annotations, the legend before the text and the colophon behind it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from styledial.data.cleaning.ledger import Ledger, Line

_LEGEND = "テキスト中に現れる記号について"
_RULE = re.compile(r"\s*[-－―─]{20,}\s*")
_COLOPHON = re.compile(r"\s*底本(?:の親本)?[：:].*")
# A character outside JIS X 0208, by its place in JIS X 0213 or in Unicode.
_GAIJI = re.compile(
    r"※［＃[^］]*?(?:第[34]水準)?(?:U\+(?P<code>[0-9A-Fa-f]{4,6})|"
    r"(?P<place>[12]-\d{1,2}-\d{1,2}))[^］]*］"
)
_NOTE = re.compile(r"※?［＃[^］]*］")
_RUBY = re.compile(r"《[\u3041-\u30ff・ー々、 \u3000a-zA-Z]*》")


def is_aozora(head: str) -> bool:
    """Whether the first lines have Aozora's legend, or its annotations with ruby."""
    return _LEGEND in head or ("［＃" in head and _RUBY.search(head) is not None)


def aozora(lines: Iterable[Line], ledger: Ledger) -> Iterator[Line]:
    """The text with its base characters; title and author, legend and colophon go."""
    head: list[Line] = []
    rules = 0
    ended = False
    for line in lines:
        if ended or _COLOPHON.fullmatch(line.text):
            ended = True
            _drop(line, "colophon", ledger)
        elif rules < 2 and len(head) < 60:
            head.append(line)
            rules += _RULE.fullmatch(line.text) is not None
            if rules == 2:
                _drop_legend(head, ledger)
            elif len(head) == 60:
                yield from (_plain(held, ledger) for held in head)
        else:
            yield _plain(line, ledger)
    if rules < 2 and len(head) < 60:
        yield from (_plain(held, ledger) for held in head)


def _drop_legend(head: list[Line], ledger: Ledger) -> None:
    inside = False
    for line in head:
        inside = inside or _RULE.fullmatch(line.text) is not None
        _drop(line, "legend" if inside else "book title", ledger)


def _plain(line: Line, ledger: Ledger) -> Line:
    """The line without readings and annotations; both are counted."""
    text = line.text
    if "［＃" in text:
        text = _GAIJI.sub(_character, text)
        text = _taken(_NOTE, text, line, "annotation", ledger)
    if "《" in text:
        text = _taken(_RUBY, text, line, "ruby", ledger)
    return Line(line.number, text.replace("｜", ""))


def _taken(pattern: re.Pattern[str], text: str, line: Line, reason: str, ledger: Ledger) -> str:
    for found in pattern.findall(text):
        ledger.drop(line, reason, found)
    return pattern.sub("", text)


def _character(found: re.Match[str]) -> str:
    """The character that an annotation names; 〓 where there is none, as printers set it."""
    if found["code"]:
        return chr(int(found["code"], 16))
    plane, row, cell = map(int, found["place"].split("-"))
    code = bytes([0xA0 + row, 0xA0 + cell])
    try:
        return (b"\x8f" * (plane == 2) + code).decode("euc_jis_2004")
    except (UnicodeDecodeError, ValueError):
        return "〓"


def _drop(line: Line, reason: str, ledger: Ledger) -> None:
    if line.text.strip():
        ledger.drop(line, reason)
