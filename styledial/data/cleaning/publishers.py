"""Lists of other books that a publisher printed behind the last chapter of an old one.

    BOOKS BY THE SAME AUTHOR                 NEW NOVELS
    THE FERRY. Crown 8vo, 6s.                THE MILL. By Ann Author. 3s. 6d. net.

Such a list is known by its heading, or stands below THE END, and names prices and sizes of
books throughout; no chapter follows it. What has fewer of those stays: it may be an epilogue.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from styledial.data.cleaning.ledger import Ledger, Line

_LONGEST_HEADING = 80  # characters
_LONGEST = 400_000  # characters: some catalogues have forty pages
_LEAST, _APART = 3, 900  # marks of a list, and characters from one of them to the next at most
_MARKED = 4  # below THE END alone, one line in so many has such a mark: an epilogue may have prices
_KIND = (
    r"(?:books?|novels?|works?|stories|tales|fiction|publications|volumes?|romances?|poems|plays|"
    r"library|series|editions?|titles|juveniles)"
)
_WHICH = (
    r"(?:some|other|more|new|recent|popular|latest|standard|selected|select|famous|notable|important|"
    r"best|good|choice|works|list of|a list of|a selection (?:of|from)|a catalogue of)"
)
_HEADING = re.compile(
    rf"[\W_]*(?:(?:{_WHICH} )*(?:the )?(?:[\w'’.&-]+ ){{0,3}}{_KIND} (?:by|of) (?:the )?"
    r"(?:same (?:author|writer)|author of .{1,50}|(?-i:[A-Z])[\w.’' -]{2,40})|"
    r"(?:also )?by the (?:same|author of) .{0,40}|(?:also )?by the same (?:author|writer)|"
    rf"(?:{_WHICH} ){{1,3}}(?:[\w'’.&-]+ ){{0,3}}{_KIND}(?: .{{0,40}})?|"
    rf"(?-i:[A-Z])[\w.,’'& -]{{2,50}}['’]s? (?:{_WHICH} )*(?:{_KIND}|list|catalogue|announcements?)"
    r"(?: .{0,30})?|"
    r"advertisements?|(?:publishers?['’]?s? )?(?:advertisements|announcements?|catalogue|list)|"
    r"(?:ouvrages |œuvres )?du même auteur|(?:werke |bücher )?(?:von|vom) (?:demselben|selben|"
    r"gleichen) verfasser.{0,30}|dello stesso autore|del mismo autor)[\W_]*",
    re.I,
)
_END = re.compile(r"[\W_]*(?:the end|finis|fin|ende|fine|end of .{1,40})[\W_]*", re.I)
_MARK = re.compile(
    r"\b(?:(?:crown|demy|post|royal|foolscap|fcap\.?|large|small|imperial|super-royal|extra)[ ,.-]+"
    r"(?:8|4|12|16)(?:vo|to|mo)|\d{1,2}(?:vo|to|mo)|octavo)\b|"
    r"\b\d{1,2}s\. ?(?:\d{1,2}d\.)?|\b\d{1,2}/(?:-|\d{1,2}d?\b)|\b\d{1,2}d\.|£\d|"
    r"[$]\s?\d{1,2}\.\d\d|\b\d{1,2} (?:cents|cts\.?|shillings)\b|\b\d[,.]\d\d (?:net|postpaid)\b|"
    r"\b(?:cloth|buckram|half[- ]calf|paper boards|paper covers?)\b(?=[ ,.;:]*(?:gilt|extra|boards|"
    r"limp|price|net|\d|$|illustrated|\$))|"
    r"\bprice,? (?:one|two|\d|\$|£)|\bpost(?:age)?[- ](?:paid|free|extra)\b|\b(?:\d+|ninth|tenth|"
    r"second|third|fourth|fifth|sixth|seventh|eighth) (?:edition|impression)\b|"
    r"\b\d{1,2} ?fr\.|\bfr\. ?\d|\b(?:geh|geb|brosch)\. |\b(?:Mk?|Mark)\.? \d|\b\d{1,2} Mk?\.",
    re.I,
)


def without_lists(
    lines: Iterable[Line], ledger: Ledger, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    """The lines of a book without the list of others at its end."""
    held: list[Line] = []
    size = 0
    above = ""
    for line in lines:
        text = line.text.strip()
        if held and (size > _LONGEST or is_title(text)):
            yield from held
            held, size = [], 0
        if held or ((not above or text.isupper()) and (_is_heading(text) or _ends(text))):
            held.append(line)
            size += len(text)
        else:
            yield line
        above = text
    yield from _judged(held, ledger)


def _is_heading(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_HEADING and _HEADING.fullmatch(text) is not None


def _ends(text: str) -> bool:
    return text.isupper() and _END.fullmatch(text) is not None


def _judged(held: list[Line], ledger: Ledger) -> Iterator[Line]:
    """What stands behind the first possible heading, without the list if there is one."""
    begin = _begin(held)
    yield from held[:begin]
    for line in held[begin:]:
        if line.text.strip():
            ledger.drop(line, "advertisement")


def _begin(held: list[Line]) -> int:
    """The place from which on, to the end, the lines are a list of books."""
    begin, marks, marked, filled = len(held), 0, 0, 0
    since = 0  # characters since the last mark, read from the end
    for place in range(len(held) - 1, -1, -1):
        text = held[place].text.strip()
        if _ends(text):
            return place + 1 if marks >= _LEAST and marked * _MARKED >= filled else begin
        found = len(_MARK.findall(text))
        since = len(text) if found else since + len(text)
        if since > _APART:
            return begin
        marks, marked, filled = marks + found, marked + (found > 0), filled + bool(text)
        if marks >= _LEAST and _is_heading(text):
            begin = place
    return begin
