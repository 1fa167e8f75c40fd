"""The words that languages have for chapters, volumes and letters, and the titles that they make.

Chapter IV, Глава первая, Bab 12, 1. Kapitel     a number that is known: one such line is enough
Hoofdstuk eenentwintig, Pirmas skyrius           a short line with such a word, first or last:
                                                 counts where the book has several (forms.py)
"""

from __future__ import annotations

import re

from styledial.data.cleaning.folding import any_of, fold
from styledial.data.cleaning.number_words import (
    ARTICLE,
    LANGUAGES,
    THAI,
    VIETNAMESE,
    word_first,
    word_last,
)
from styledial.data.cleaning.numerals import ARABIC, LETTERS, REAL_ROMAN

BLANK = " \t\u00a0\u3000"

_WORDS = (
    "chapter chapt chap ch book part act volume canto letter scene episode section interlude "
    "chapitre livre partie tome acte kapitel teil buch capítulo capítol parte libro capitolo "
    "capitol capitolul hoofdstuk deel rozdział część księga kapitola část díl fejezet kapittel "
    "luku bölüm kısım bab bagian "
    "κεφάλαιο μέρος глава часть книга том розділ частина част поглавље poglavlje فصل الفصل "
    "الباب الجزء بخش פרק חלק अध्याय भाग บทที่ ตอนที่ ภาคที่ ภาค rész könyv"
)
# Of languages whose words for numbers aren't in number_words.py: their order is that of the book.
_UNCOUNTED = "kafli باب অধ্যায় অধ্যায় அத்தியாயம் caput ĉapitro kabanata peatükk skyrius"
# Too common in sentences to count with any number: a book has to have several.
_OTHERS = (
    "day night week evening morning log entry diary story tale lettre brief carta lettera письмо "
    "рассказ день ночь вечер сцена действие abend tag nacht akt jornada giornata atto księga "
    "الليلة المشهد 이야기 날 밤 편지 arc"
)


_STRONG, _ANY = any_of(f"{_WORDS} {_UNCOUNTED}"), any_of(f"{_WORDS} {_UNCOUNTED} {_OTHERS}")
_CHAPTERS, _NO_WORDS = re.compile(_STRONG), re.compile(any_of(_UNCOUNTED))
_N = rf"(?:(?:№|no\.?|#)?\s?{ARABIC}[a-d]?|{REAL_ROMAN}|{LETTERS})"
_IN_WORDS = "|".join(f"(?:{words})[\\s.·]+{n}" for words, n in map(word_first, LANGUAGES))
_ANY_N = f"(?:{_N}|{'|'.join(word_first(language)[1] for language in LANGUAGES)})"
_VOLUME = (
    rf"(?:(?:vol|volume|book|bk|part|arc|том|часть|band|tome|livre|parte)[\s.]*{_ANY_N}"
    r"(?:\s*[:–—-][^:–—]{1,40}?)?[\s,.:–—-]+)?"
)
# All of these are looked for in folded text, but for the one of Vietnamese.
_WORD_FIRST = re.compile(
    rf"{_VOLUME}(?:{_STRONG})[\s.·]*(?:(?<=[\s.·่])(?P<n>{_N})|(?P<digits>{ARABIC}[a-d]?))"
    r"(?P<end>(?!\w))"
)
_PROPER = "kapitel|kapitlet|kapitle|fejezet|luku|bolum|глава|часть|chapter|chapitre|hoofdstuk"
_NUMBER_LAST = re.compile(
    rf"(?:(?:{ARABIC}|{REAL_ROMAN})(?:\.|[-.]?(?:re|er|e|eme|ere|a|я|ая|ой))\s"
    rf"(?:{_STRONG}|kapitlet|kapitle)|{ARABIC}\s(?:{fold(_PROPER)}))(?P<end>(?!\w))"
)
_IN_WORDS_FIRST = re.compile(
    rf"{_VOLUME}(?:{_IN_WORDS}|(?:บทที่|ตอนที่|ภาคที่|ภาค)\s?{THAI}(?![\u0e31-\u0e4e]))(?P<end>(?!\w))"
)
_PROPER_LAST = re.compile(rf"\s(?:{fold(_PROPER)})$")
_ORDINALS = "|".join(rf"{n}\s(?:{words})" for n, words in map(word_last, LANGUAGES))
_IN_WORDS_LAST = re.compile(rf"(?P<article>{ARTICLE})(?:{_ORDINALS})(?P<end>(?!\w))")
_TONED, _TONED_N = word_first(VIETNAMESE, keep=True)
_VIETNAMESE = re.compile(
    rf"(?:(?:quyển|tập|phần)\s{ARABIC}[\s,.:–—-]+)?(?:(?:{_TONED}|ngoại truyện|phiên ngoại)[\s.·]+"
    rf"(?:{_N}|(?P<words>{_TONED_N})))(?P<end>(?!\w))"
)
_LONG = re.compile(rf"{_VOLUME}(?:{_STRONG})[\s.]+{_ANY_N}\s*[:.–—-]+\s*(?=\S)")
_LONG_WORD = re.compile(r"\b[^\W\d_]{5,}")
_W = r"[\w\u0900-\u0dff\u0e00-\u0e7f]+"  # \w has not the vowel signs of India
_SEVERAL_FIRST = re.compile(
    rf"(?P<word>{_ANY})\s(?P<n>{_W}(?:[ '-]{_W}){{0,3}})\.?(?P<rest>\s*[:.–—-]\s*\S.*)?"
)
_SEVERAL_LAST = re.compile(
    rf"(?P<n>{_W}(?:[ -]{_W}){{0,3}})\.?\s(?P<word>{_ANY})[.:]?(?P<rest>(?<=[.:])\s*\S.*)?"
)
# Chapter One, in which …: may be a title though a comma goes on with it.
_IN_WHICH = re.compile(
    r"(?i:, (?:in which|wherein|dans (?:lequel|laquelle)|où|in (?:dem|der|welche[mr])|worin|"
    r"en (?:el|la) que|donde|nel(?:la)? quale|in cui|no qual|na qual|ve kter[éý]m?|w któr(?:ym|ej)|"
    r"waarin|в котор(?:ой|ом)|где|у як(?:ій|ому))\b).{3,80}(?<![,;:])$"
)
_SHORT = 40  # characters: a line broken at the width of a page is longer
# `Part of me`, `Book in hand`: such a word in second place goes on with a sentence.
_LINK_WORDS = (
    "of in and to on at by for with from as is was had has were i he she it we they you his her my "
    "de du des del di da della do von vom der im am ist und à en y e que qui se la le les o os z w "
    "na i do nie и в на с не из к по"
)
_LINKS = frozenset(_LINK_WORDS.split())


def is_worded(text: str) -> bool:
    """Whether a word for chapters and a number that is known make the line a title."""
    plain = fold(text)
    for pattern in (_WORD_FIRST, _NUMBER_LAST):
        if (found := pattern.match(plain)) is not None:
            rest = text[found.start("end") :]
            told = plain.startswith("section") and rest.endswith(".")
            return not told and goes_on_as_title(rest)
    if (found := _IN_WORDS_FIRST.match(plain)) is not None:
        return _names_a_title(text[found.start("end") :])
    if (found := _IN_WORDS_LAST.match(plain)) is not None:
        rest = text[found.start("end") :]
        proper = _PROPER_LAST.search(found[0]) is not None  # `La segunda parte.` is a sentence
        return _names_a_title(rest) and (proper or not (rest == "." or found["article"]))
    found = _VIETNAMESE.match(text.lower()) if max(text) >= "\u00e0" else None
    if found is None:
        return False
    rest = text[found.start("end") :]
    return _names_a_title(rest) and not (found["words"] and rest.endswith("."))


def _names_a_title(rest: str) -> bool:
    """What follows a number in words: a sentence may have those, so that a name behind a mark
    begins with a capital, and behind a dash or colon doesn't end in a full stop."""
    body = rest.strip(BLANK)
    name = body.lstrip(".:—–-)]/|( ")
    if name and name != body and (name[0].islower() or (body[0] != "." and name[-1] in ".!?…")):
        return False
    return goes_on_as_title(rest)


def is_long_title(text: str) -> bool:
    """Whether a long line is `CHAPTER XV: ON THE …`: its number is parted from it, and no line
    of prose that was broken at the width of the page has so many capitals."""
    found = (
        _LONG.match(fold(text)) if text[0].isupper() and text[-1] not in "。，；：,;.-" else None
    )
    return found is not None and not any(
        word[0].islower() for word in _LONG_WORD.findall(text[found.end() :])
    )


def has_no_number_words(word: str) -> bool:
    """Whether a folded word for chapters is of a language whose numbers in words aren't known."""
    return _NO_WORDS.fullmatch(word) is not None


def is_chapter_word(word: str) -> bool:
    """Whether a folded word means a part of a book and hardly anything else."""
    return _CHAPTERS.fullmatch(word) is not None


def worded_form(text: str) -> tuple[str, str, str] | None:
    """(word before, number, word after) of a short line with such a word, whatever the number
    is; None where there is none, or it goes on as a sentence."""
    if ", " in text and (told := _IN_WHICH.search(text)) is not None:
        text = text[: told.start()]
    if len(text) > _SHORT or text[0].islower() or re.search(r"[,;?!“”\"«»。，]", text):
        return None
    plain = fold(text)
    for pattern in (_SEVERAL_FIRST, _SEVERAL_LAST):
        found = pattern.fullmatch(plain)
        if found is None or _goes_on(found["n"]):
            continue
        if not goes_on_as_title(text[found.start("rest") :] if found["rest"] else ""):
            continue
        first = pattern is _SEVERAL_FIRST
        return (found["word"], found["n"], "") if first else ("", found["n"], found["word"])
    return None


def _goes_on(number: str) -> bool:
    """Whether the words in a number's place go on with a sentence."""
    return number != "i" and bool(_LINKS & set(re.split(r"\W+", number)[:2]))


def goes_on_as_title(rest: str) -> bool:
    """What follows `Chapter IV`: nothing, a title behind a mark, or one in capitals; a word in
    small letters goes on with a sentence (`Part I had in the matter`)."""
    body = rest.strip(BLANK)
    if not body or re.fullmatch(r"[.:—–)\]-]+", body):
        return True
    if re.fullmatch(r"(?:of|von|de|sur|di|из|z)\s\d{1,4}", body):  # Chapter 1 of 3
        return True
    if body[0] == "(":
        return re.fullmatch(r"\([^()]{1,60}\)\.?", body) is not None
    if body[0] in ".:—–-)]/|":
        return (len(body) <= 90 and body[1:2] != body[0]) or body.startswith("--")
    if rest[0] not in BLANK or body[0].islower() or len(body) > 72:
        return False
    return not re.search(r"[.,;]\s\S|[,;]$|[。，；]", body) and (
        not re.search(r"[a-zа-я]\.$", body) or body.istitle()
    )
