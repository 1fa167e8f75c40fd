"""Chapter titles, recognised by strong marks alone and by any numbered form that a book uses.

第一回 …, Chapter IV, Глава первая, 楔子        strong: one is enough
001, (1), （一）, 三十章, IV., Kafli 3, 第五章队伍  weak: counts where the book has such a form
                                              in sequence, standing chapters apart (forms.py)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from styledial.data.cleaning.decorations import BLANK, undecorated, without_addition
from styledial.data.cleaning.forms import (
    ANY_NUMBER,
    LONGEST,
    LONGEST_MARKED,
    NUMBERED,
    PARTED,
    find_forms,
    form_of,
    is_surely_prose,
)
from styledial.data.cleaning.headings import is_authors_heading
from styledial.data.cleaning.ledger import Line
from styledial.data.cleaning.numerals import ARABIC, LETTERS, ORDINAL, ROMAN

_NAMED = re.compile(
    r"(?:楔子|引子|引首|序章|序幕|序言|序|前言|尾声|尾聲|后记|後記|跋|终章|終章|内容简介|"
    r"內容簡介|出版说明|プロローグ|エピローグ)(?:[\s\u3000:：·]+[^。，；！？“”「」]{1,40})?"
    rf"|番外(?:篇|{ANY_NUMBER}|"
    rf"之?[^。，；！？“”「」]{{0,8}})?(?:[\s\u3000:：·]+[^。，；！？“”「」]{{1,40}})?"
    r"|[上中下][卷篇册冊集](?:[\s\u3000:：·]+[^。，；！？“”「」]{1,24})?"
    rf"|卷\s?{ANY_NUMBER}(?:[\s\u3000:：·、]+[^。，；！？“”「」]{{1,24}})?"
)
_WORD = (
    r"chapter|book|part|act|volume|canto|letter|scene|episode|chapitre|livre|partie|tome|"
    r"acte|kapitel|"
    r"teil|buch|capítulo|capitulo|cap[ií]tol|parte|libro|capitolo|capítol|capitol(?:ul)?|hoofdstuk|"
    r"deel|rozdział|"
    r"część|kapitola|část|fejezet|kapittel|kafli|luku|bölüm|kısım|chương|quyển|hồi|bab|"
    r"κεφάλαιο|μέρος|"
    r"глава|часть|книга|том|розділ|частина|поглавље|poglavlje|فصل|الفصل|باب|פרק|अध्याय|"
    r"บทที่|ตอนที่|ภาคที่"
)
_NUMBER_WORD = rf"(?:(?:№|No\.?|#)?\s?{ARABIC}|(?-i:{ROMAN})|{ORDINAL}|{LETTERS})"
_VOLUME = (
    rf"(?:(?:vol|volume|book|bk|part|том|часть|band|tome|livre|parte)[\s.]*{_NUMBER_WORD}"
    r"[\s,.:–—-]+)?"
)
_WORDED = re.compile(
    rf"{_VOLUME}(?P<word>{_WORD})[\s.\u00a0·]*(?P<n>(?<=[\s.\u00a0·่]){_NUMBER_WORD}|"
    rf"[0-9]{{1,4}})(?!\w)(?P<rest>.*)",
    re.I,
)
# A title of more than LONGEST characters: its number is parted from it, and no line of prose
# that was broken at the width of the page has so many capitals.
_LONG = re.compile(
    rf"{_VOLUME}(?:{_WORD})[\s.\u00a0]+{_NUMBER_WORD}\s*[:.–—-]+\s*(?P<rest>\S.*[^。，；：,;.-])",
    re.I,
)
_LONG_WORD = re.compile(r"\b[^\W\d_]{5,}")
_WORD_LAST = re.compile(
    rf"(?:{ORDINAL}|[0-9]{{1,4}}\.?)\s(?:kapitel|kapitlet|teil|buch|fejezet|bölüm|luku|rész|kısım|глава|часть|"
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
_SPREAD = re.compile("^([一-鿿])[ \u3000]{1,4}([一-鿿])$")
_BRACED = re.compile(
    r"[【\[《〔](?P<inner>[^】\]》〕]{1,50})[】\]》〕]\s*(?P<rest>[^。，！？]{0,40})"
)


class Titles:
    """Recognises titles of one book, whose own numbered forms are learnt from `sample`.

    `keeps`: lines that are prose, as the user says.
    """

    def __init__(
        self,
        sample: Sequence[Line],
        markdown: bool = False,
        keeps: Callable[[str], bool] = lambda text: False,
    ) -> None:
        self.markdown = markdown
        self.keeps = keeps
        self.forms = find_forms(sample)
        # Unwrapping asks about a line twice, structure once more.
        self.read = lru_cache(maxsize=64)(self._read)

    def __call__(self, text: str) -> bool:
        """Whether the line is a title."""
        return self.read(text) is not None

    def _read(self, text: str) -> str | None:
        """The title in one spelling, without a site's addition; None where the line is prose."""
        text = text.strip(BLANK)
        if not text or self.keeps(text) or (is_surely_prose(text) and not self._is_long(text)):
            return None
        if self.markdown and (heading := re.fullmatch(r"#{1,4}\s+(.+?)\s*#*", text)):
            return without_addition(heading[1])
        text = without_addition(undecorated(text))
        if not text or len(text) > LONGEST_MARKED:
            return None
        good = _is_marked(text) or (len(text) <= LONGEST and self._in_a_known_form(text))
        return re.sub(r"[\s\u3000]+", " ", text) if good else None

    def _is_long(self, text: str) -> bool:
        """Whether a line of LONGEST to LONGEST_MARKED characters is `CHAPTER XV: ON THE …`."""
        if not LONGEST < len(text) <= LONGEST_MARKED or text[-1] in "。，；：,;":
            return False
        if self.markdown and text.startswith("#"):
            return True
        found = _LONG.fullmatch(text) if text[0].isupper() else None
        return found is not None and not any(
            word[0].islower() for word in _LONG_WORD.findall(found["rest"])
        )

    def _in_a_known_form(self, text: str) -> bool:
        found = form_of(text) if self.forms else None
        return found is not None and found[0] in self.forms


def _is_marked(text: str) -> bool:
    """Whether the line is a title by its own marks, whatever the book."""
    if "第" in text and (found := NUMBERED.fullmatch(text)) is not None:
        return _reads_as_title(found["rest"], found["unit"], len(text))
    if len(text) > LONGEST_MARKED - 10:
        return False
    if is_authors_heading(text):
        return True
    if (braced := _BRACED.fullmatch(text)) and _NAMED.fullmatch(braced["inner"]):
        return True
    if _NAMED.fullmatch(_SPREAD.sub(r"\1\2", text)) and len(text) <= LONGEST:
        return True
    first = text[0]
    if "\u3400" <= first <= "\u9fff":  # all that follows is of other scripts
        return False
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
    body = rest.strip(BLANK)
    if not body or re.fullmatch(r"[.:—–)\]-]+", body):
        return True
    if body[0] in ".:—–-)]":
        return (len(body) <= 90 and body[1:2] != body[0]) or body.startswith("--")
    if rest[0] not in BLANK or body[0].islower() or len(body) > 72:
        return False
    return not re.search(r"[.,;]\s\S|[,;]$|[。，；]", body) and (
        not re.search(r"[a-zа-я]\.$", body) or body.istitle()
    )


def _reads_as_title(rest: str, unit: str, length: int) -> bool:
    """What follows 第一回: prose goes on without a space, or has a sentence in it."""
    if not rest.strip(BLANK):
        return True
    parted = rest[0] in PARTED or rest[0] == "。"  # 第一章.名 in Chinese typography
    body = rest.lstrip("。").strip(PARTED)
    if re.search("[。；：:]", body) or not body:
        return False
    if parted:  # one comma may part the two halves of a couplet, a quotation may be in it
        halves = body.split("，")
        even = len(halves) == 2 and abs(len(halves[0]) - len(halves[1])) <= 1
        return (len(halves) == 1 or even) and length <= LONGEST_MARKED
    # A title run on without a space has no such marks; 第一章程, 第二部分, 第三回合 are words.
    if length > LONGEST or len(body) > 44:
        return False
    if re.search("[！？…，“”「」]", body) or body[0] in "程分子队隊人":
        return False
    return unit not in "部篇话話夜" and not (body[0] == "合" and len(body) < 8)
