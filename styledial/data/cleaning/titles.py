"""Chapter titles, recognised by strong marks alone and by any numbered form that a book uses.

    第一回 …, Chapter IV, Глава первая, 楔子        strong: one is enough
    001, (1), （一）, 三十章, IV., Kafli 3, 第五章队伍  weak: counts where the book has such a form
                                                  in sequence, standing chapters apart

A form is what stands round the number, in any language; nothing has to know the words.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from styledial.data.cleaning.headings import is_authors_heading
from styledial.data.cleaning.ledger import Line
from styledial.data.cleaning.numerals import (
    ARABIC,
    CIRCLED,
    HAN_DIGITS,
    HAN_NUMBER,
    ORDINAL,
    ROMAN,
    value,
)

LONGEST = 60  # characters: no title is longer, but for one that is marked and parted
_LONGEST_MARKED = 100
_APART = 400  # characters between the titles of two chapters, at the median
_BLANK = " \t\u00a0\u3000"

_UNITS = "章回節节卷集部篇幕折话話夜"
_ANY_NUMBER = f"(?:{ARABIC}|{HAN_NUMBER})"
_PARTED = " \u3000\u00a0:：、.．·—-"
_NUMBERED = re.compile(
    rf"(?P<before>(?:正文|[^\s。！？，“”「」]{{1,10}})[\s\u3000·:：]+)?[【\[（(]?第\s?(?P<n>{_ANY_NUMBER})\s?(?P<unit>[{_UNITS}])[】\]）)]?(?P<rest>.*)"
)
_NAMED = re.compile(
    r"(?:楔子|引子|引首|序章|序幕|序言|序|前言|尾声|尾聲|后记|後記|跋|终章|終章|内容简介|"
    r"內容簡介|出版说明|プロローグ|エピローグ)(?:[\s\u3000:：·]+[^。，；！？“”「」]{1,40})?"
    rf"|番外(?:篇|{_ANY_NUMBER}|"
    rf"之?[^。，；！？“”「」]{{0,8}})?(?:[\s\u3000:：·]+[^。，；！？“”「」]{{1,40}})?"
    rf"|卷\s?{_ANY_NUMBER}(?:[\s\u3000:：·、]+[^。，；！？“”「」]{{1,24}})?"
)
_WORD = (
    r"chapter|book|part|act|volume|canto|letter|scene|episode|chapitre|livre|partie|tome|"
    r"acte|kapitel|"
    r"teil|buch|capítulo|capitulo|cap[ií]tol|parte|libro|capitolo|capítol|capitol|hoofdstuk|"
    r"deel|rozdział|"
    r"część|kapitola|část|fejezet|kapittel|kafli|luku|bölüm|kısım|chương|quyển|hồi|bab|"
    r"κεφάλαιο|μέρος|"
    r"глава|часть|книга|том|розділ|частина|поглавље|poglavlje|فصل|الفصل|باب|פרק|अध्याय|"
    r"บทที่|ตอนที่|ภาคที่"
)
_NUMBER_WORD = rf"(?:{ARABIC}|(?-i:{ROMAN})|{ORDINAL})"
_WORDED = re.compile(
    rf"(?P<word>{_WORD})[\s.\u00a0·]*(?P<n>(?<=[\s.\u00a0·่]){_NUMBER_WORD}|"
    rf"[0-9]{{1,4}})\b(?P<rest>.*)",
    re.I,
)
_WORD_LAST = re.compile(
    rf"(?:{ORDINAL}|[0-9]{{1,4}}\.?)\s(?:kapitel|teil|buch|fejezet|bölüm|luku|rész|kısım|"
    rf"chapter|chapitre|hoofdstuk)[.:]?(?P<rest>.*)",
    re.I,
)
_KOREAN = re.compile(
    r"제\s?(?P<n>[0-9]{1,4}|[일이삼사오육칠팔구십백]{1,6})\s?(?:장|화|회|부|편|권|막|"
    r"절)(?P<rest>.*)"
)
_ALONE = re.compile(
    r"(?:(?:the )?(?:prologue|epilogue|interlude|preface|foreword|afterword|introduction|"
    r"conclusion|"
    r"imprint|colophon|uncopyright|endnotes|dedication|acknowledge?ments)|prologo|prólogo|"
    r"epílogo|épilogue|"
    r"prolog|epilog|пролог|эпилог|предисловие|послесловие|프롤로그|에필로그|lời nói đầu|vĩ thanh)"
    r"(?:\s*[.:—–-]\s*.{0,70})?\.?",
    re.I,
)
# The numbered forms of any language: something short, a number, something short, the title.
_FORM = re.compile(
    rf"(?P<before>[^\d\s{HAN_DIGITS}]{{0,14}}?[\s.]?)(?P<n>{ARABIC}|{HAN_NUMBER}|{ROMAN}|{CIRCLED})"
    r"(?P<after>\s?[章回節节卷集部篇幕折话話夜장화회부편]|"
    r"[)）】\]〕》>]?[、．.,:：\-—–)]?)(?P<rest>(?:[\s\u3000].*|(?<=[、．.:：)）】\]章回節节]).*)?)"
)
_OPENS = "（([【〔《<☆★◇◆●○■□※*=＝~#►▶❀✿♥"
_DECOR = re.compile(r"^[☆★◇◆●○■□※*=＝~►▶❀✿♥\s\u3000]+[、．.]?|[☆★◇◆●○■□※*=＝~❀✿♥\s\u3000]+$")
_BRACED = re.compile(
    r"[【\[《〔](?P<inner>[^】\]》〕]{1,50})[】\]》〕]\s*(?P<rest>[^。，！？]{0,40})"
)

_STAMP_WORDS = (
    "更新时间|更新時間|更新日期|更新于|发布时间|發布時間|本章字数|本章字數|字数[:：]|字數[:：]"
)
_ASKS = (
    "求|票|收藏|订阅|訂閱|打赏|打賞|更|页|頁|合一|大章|修|捉虫|盟主|推荐|推薦|上架|vip|字|"
    "免费|感谢|感謝|"
    "爆发|爆發|请假|加料|入V|红包"
)
_ADDED = re.compile(
    rf"\s*(?:[（(【\[](?=[^）)】\]]*(?:{_ASKS}))[^）)】\]]{{1,40}}[）)】\]]"
    rf"|[（(【\[]?(?:{_STAMP_WORDS}).{{0,80}})\s*$",
    re.I,
)


class Form(NamedTuple):
    """How a book writes a chapter's number: what is before it, its kind of numeral, what "
    "follows."""

    before: str
    kind: str
    after: str


class Titles:
    """Recognises titles of one book, whose own numbered forms are learnt from `sample`."""

    def __init__(self, sample: Sequence[Line], markdown: bool = False) -> None:
        self.markdown = markdown
        self.forms = find_forms(sample)
        # Unwrapping asks about a line twice, structure once more.
        self.read = lru_cache(maxsize=64)(self._read)

    def __call__(self, text: str) -> bool:
        """Whether the line is a title."""
        return self.read(text) is not None

    def _read(self, text: str) -> str | None:
        """The title in one spelling, without a site's addition; None where the line is prose."""
        text = text.strip(_BLANK)
        if not text or _is_surely_prose(text):
            return None
        if self.markdown and (heading := re.fullmatch(r"#{1,4}\s+(.+?)\s*#*", text)):
            return without_addition(heading[1])
        text = without_addition(_undecorated(text))
        if not text or len(text) > _LONGEST_MARKED:
            return None
        good = _is_marked(text) or (len(text) <= LONGEST and self._in_a_known_form(text))
        return re.sub(r"[\s\u3000]+", " ", text) if good else None

    def _in_a_known_form(self, text: str) -> bool:
        found = form_of(text) if self.forms else None
        return found is not None and found[0] in self.forms


def _is_surely_prose(text: str) -> bool:
    """Most lines of a book, told by a look at their ends: this is asked of each of them."""
    if len(text) > _LONGEST_MARKED + 90 or text[-1] in "。，；：,;-":
        return True
    if text[0].islower() and not text.startswith("chapter"):
        return True
    return len(text) > LONGEST and "第" not in text[:24] and text[-1] not in ")）】]0123456789"


def without_addition(text: str) -> str:
    """A title without what a site or an author put behind it: （求月票）, 更新时间：…, (1/3页)."""
    if text[-1:] not in ")）】]0123456789字日秒分":
        return text
    while (found := _ADDED.search(text)) and found.start():
        text = text[: found.start()].rstrip(_BLANK)
    return text


def _undecorated(text: str) -> str:
    """`text` without stars and rules round it; a line of nothing else is left as it is."""
    return _DECOR.sub("", text) or text


def _is_marked(text: str) -> bool:
    """Whether the line is a title by its own marks, whatever the book."""
    if (found := _NUMBERED.fullmatch(text)) is not None:
        return _reads_as_title(found["rest"], found["unit"], len(text))
    if len(text) > _LONGEST_MARKED - 10:
        return False
    if is_authors_heading(text):
        return True
    if (braced := _BRACED.fullmatch(text)) and _NAMED.fullmatch(braced["inner"]):
        return True
    if _NAMED.fullmatch(text) and len(text) <= LONGEST:
        return True
    first = text[0]
    if first.islower() and not re.match(r"chapter[\s.]*\d", text):
        return False
    if _ALONE.fullmatch(text):
        return True
    for pattern in (_WORDED, _WORD_LAST, _KOREAN):
        if (found := pattern.fullmatch(text)) is not None:
            return _goes_on_as_title(found["rest"])
    return False


def _goes_on_as_title(rest: str) -> bool:
    """What follows `Chapter IV`: nothing, a title behind a mark, or one in capitals; a word in
    small letters goes on with a sentence (`Part I had in the matter`)."""
    body = rest.strip(_BLANK)
    if not body or re.fullmatch(r"[.:—–)\]-]+", body):
        return True
    if body[0] in ".:—–-)]":
        return (len(body) <= 90 and body[1:2] != body[0]) or body.startswith("--")
    if rest[0] not in _BLANK or body[0].islower() or len(body) > 72:
        return False
    return not re.search(r"[.,;]\s\S|[,;]$|[。，；]", body) and (
        not re.search(r"[a-zа-я]\.$", body) or body.istitle()
    )


def _reads_as_title(rest: str, unit: str, length: int) -> bool:
    """What follows 第一回: prose goes on without a space, or has a sentence in it."""
    if not rest.strip(_BLANK):
        return True
    parted = rest[0] in _PARTED
    body = rest.strip(_PARTED)
    if re.search("[。；：:]", body) or not body:
        return False
    if parted:  # one comma may part the two halves of a couplet, a quotation may be in it
        halves = body.split("，")
        even = len(halves) == 2 and abs(len(halves[0]) - len(halves[1])) <= 1
        return (len(halves) == 1 or even) and length <= _LONGEST_MARKED
    # A title run on without a space has no such marks; 第一章程, 第二部分, 第三回合 are words.
    if length > LONGEST or len(body) > 44:
        return False
    if re.search("[！？…，“”「」]", body) or body[0] in "程分子队隊人":
        return False
    return unit not in "部篇话話夜" and not (body[0] == "合" and len(body) < 8)


def form_of(text: str) -> tuple[Form, int] | None:
    """(form, number) of a line that a number heads; None where it has none or is a sentence."""
    if found := _NUMBERED.fullmatch(text):
        rest = found["rest"].strip(_PARTED)
        if re.search("[。；：:，,、]$|[。；：:]", rest):
            return None
        return Form("第", "", found["unit"]), value(found["n"])
    found = _FORM.fullmatch(text)
    if found is None or (len(found["before"]) + len(found["after"]) == 0 and not _bare(found)):
        return None
    rest = found["rest"].strip(_BLANK)
    if re.search(r"[。；：，,;]|[a-zа-я]\.$|[“”「」\"]", rest) or len(rest) > 40:
        return None
    if rest[:1].islower():
        return None
    return Form(
        found["before"].strip().casefold(), _kind(found["n"]), found["after"].strip()
    ), value(found["n"])


def _bare(found: re.Match[str]) -> bool:
    """Whether a number without any mark may head a chapter: 001, 12, IV, 十二."""
    return not found["rest"] or found["rest"][0] in _BLANK


def _kind(numeral: str) -> str:
    if numeral[0].isdigit() and numeral.isascii():
        return "digits"
    return "roman" if numeral[0].isascii() else "han"


def find_forms(sample: Sequence[Line]) -> frozenset[Form]:
    """The numbered forms in which the book heads its chapters: in sequence, and far apart."""
    places: dict[Form, list[tuple[int, int]]] = defaultdict(list)
    chars = 0
    for line in sample:
        text = line.text.strip(_BLANK)
        if text and not _is_surely_prose(text):
            text = without_addition(_undecorated(text))
            found = form_of(text) if text and len(text) <= LONGEST else None
            if found:
                places[found[0]].append((chars, found[1]))
        chars += len(text)
    return frozenset(form for form, found in places.items() if _heads_chapters(form, found, chars))


def _heads_chapters(form: Form, places: list[tuple[int, int]], end: int) -> bool:
    """Whether numbers rise through the book and stand apart; a table of contents before them
    has the same numbers close together, so only the last of each counts."""
    last = {number: at for at, number in places} if _is_listed_first(places) else None
    found = sorted((at, n) for n, at in last.items()) if last else places
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(found)]
    if form.after or form.before:
        rising = [gap for gap, step in steps if step > 0]
    else:
        rising = [gap for gap, step in steps if step == 1]
    if len(rising) < 2 or len(rising) < 0.6 * len(steps):
        return False
    return sorted(rising)[len(rising) // 2] >= _APART and end - found[-1][0] >= 20


def _is_listed_first(places: list[tuple[int, int]]) -> bool:
    half = len(places) // 2
    return len(places) >= 6 and {n for _, n in places[:half]} == {n for _, n in places[-half:]}
