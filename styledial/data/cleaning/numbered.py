"""Lines that a number heads, in whatever form: 001, (1), （一）, 第三天, 甲, Kafli 3, 雪（上）.

A form is what stands round the number, in any language; nothing has to know the words. Whether
a book heads its chapters so is decided by forms.py.
"""

from __future__ import annotations

import re

from styledial.data.cleaning.chinese_titles import PARTED, of_chinese
from styledial.data.cleaning.folding import fold
from styledial.data.cleaning.form import ANY_NUMBER, LONGEST, LONGEST_MARKED, Form, Found
from styledial.data.cleaning.number_words import value_of_words
from styledial.data.cleaning.numerals import (
    ARABIC,
    CIRCLED,
    HAN_DIGITS,
    HAN_NUMBER,
    ROMAN,
    SERIES,
    value,
)
from styledial.data.cleaning.words import (
    BLANK,
    has_no_number_words,
    is_chapter_word,
    worded_form,
)

_VOLUME = r"(?:\d{1,3}(?:[-–－.]|[부권卷部편]\s?))?"
# The numbered forms of any language: something short, a number, something short, the title.
_FORM = re.compile(
    rf"(?P<before>[^\d\s{HAN_DIGITS}]{{0,14}}?[\s.]?(?P<volume>{_VOLUME}))(?P<n>{ARABIC}|{HAN_NUMBER}|{ROMAN}|{CIRCLED})"
    r"(?P<after>\s?(?:[話话日]目|[章回節节卷集部篇幕折话話夜장화회부편권막절])[)）】\]〕》>]?[.．:：]?|"
    r"[)）】\]〕》>]?[、．.,，:：·・\-—–)/]?)"
    rf"(?P<rest>(?:[\s\u3000].*|(?<=[、．.，/:：·・)）】\]>章回節节]).*|(?<={CIRCLED}).*)?)"
)
# 雪（上）, 눈길 (1), The Rain, Part 2, Snow 2.1, Log Entry 3: the number comes last.
_LAST = re.compile(
    rf"(?P<name>.{{1,40}}?)(?P<before>\s?[（(]|[\s:：·,-]\s?)(?P<part>(?:part|pt|teil|partie|parte|часть)\.?\s)?"
    rf"(?P<volume>\d{{1,3}}\.)?(?P<n>\d{{1,4}}|{HAN_NUMBER}|[上中下前後后])(?P<half>[編编篇集部話话화회])?(?P<after>[)）]?)",
    re.I,
)
_NO_NAME = re.compile(r"[。，！？；“”「」\"?!;]|[,.:]\s|[,.:]$")
_ROW = re.compile(
    rf"(?P<before>[（(【\[〔]?)(?P<n>[{''.join(SERIES)}])(?P<half>[卷編编篇部集]?)(?P<after>[)）】\]〕]?[、．.·]?|[΄ʹ´'’׳])(?P<rest>[\s\u3000].*|(?<=[、．.·]).*)?"
)
_ROW_STARTS = frozenset(SERIES) | set("（(【[〔")
_RUN_ON = re.compile(
    r"(?P<n>\d{3}|0\d{3})(?P<rest>[^\W\d_a-zA-Z年月日号號元个個岁歲点點分时時天人次里度万千百十])"
)
_DATE = re.compile(
    rf"(?:\d{{2,4}}年\s?)?(?P<m>{ANY_NUMBER})月(?P<d>{ANY_NUMBER})[日号號](?:[\s，,]\S.{{0,16}})?"
)
_MONTH = re.compile(rf"(?P<y>\d{{2,4}})年\s?(?P<m>{ANY_NUMBER})月")
# A number in words, with a word before or after it that stays: Day One, STAVE ONE, ONE. RAIN.
_IN_WORDS = re.compile(
    r"(?P<words>[^\W\d_]{1,14}(?:[ -][^\W\d_]{1,14}){0,2})"
    r"(?P<rest>[.:]\s\S.{0,50}|\s[–—-]\s\S.{0,50})?(?P<stop>\.?)"
)
# Most lines have none of these, and a look for them costs a tenth of the patterns.
_HAS_NUMBER = re.compile(
    rf"[\d{HAN_DIGITS}IVXLCivxlcІХⅠ-ⅿ①-⑳㈠-㈩⑴-⒇](?:[\s章回節节卷集部篇幕折话話夜日장화회부편권막절)）】\]〕》>、．.,，:：·・\-—–/]|$)|{CIRCLED}"
)
_SMALL_WORD = re.compile(r"[a-zà-ÿа-я]{1,9}[\s.]{0,2}[0-9]|[ivxlc]{1,7}[.)]?$")  # chapter.001, ii.
_STOPPED = re.compile(
    rf"(?:正文\s?)?第\s?{ANY_NUMBER}\s?[章回節节卷][{PARTED}][^。，！？“”「」]{{0,16}}。"
)


def is_surely_prose(text: str) -> bool:
    """Most lines of a book, told by a look at their ends: this is asked of each of them."""
    if len(text) > LONGEST_MARKED + 90:
        return True
    if text[-1] in "。，；：,;":
        return text[-1] != "。" or len(text) > 30 or _STOPPED.fullmatch(text) is None
    if text[-1] == "-" and text[0] != "-":
        return True
    if text[0].islower() and not _SMALL_WORD.match(text):
        return True
    return len(text) > LONGEST and "第" not in text[:24] and text[-1] not in ")）】]0123456789"


def form_of(text: str) -> Found:
    """(form, number) of a line that a number heads; None where it has none or is a sentence.

    A number in words that isn't known stays as it is written: its order is that of the book.
    """
    if "第" in text:
        return of_chinese(text)
    of_letters = text[0] < "\u2e80" or text[0] >= "\uac00"  # not of Chinese or Japanese ones
    found = _of_last(text) if text[-1] in ")）" or _is_part(text) else None
    if found is None and of_letters:
        found = _worded(text)
    if found is None and _HAS_NUMBER.search(text):
        found = _of_number(text) or _of_last(text)
    if found is None and (text[0].isdecimal() or "月" in text[:9]):
        found = _of_run_on(text)
    if found is None and text[0] in _ROW_STARTS:
        found = _of_row(text)
    return found or (_in_words(text) if of_letters else None)


def _is_part(text: str) -> bool:
    """Whether the line ends like `Snow 2.1`."""
    return text[-1].isdecimal() and "." in text[-4:]


def _of_number(text: str) -> Found:
    found = _FORM.fullmatch(text)
    if found is None or (len(found["before"]) + len(found["after"]) == 0 and not _bare(found)):
        return None
    if found["n"].isalpha() and found["n"].isascii() and found["before"][-1:].isalpha():
        return None  # Six is no S and IX
    rest = found["rest"].strip(BLANK)
    if re.search(r"[。；：，,;]|[a-zа-я]\.$|[“”「」\"]", rest) or len(rest) > 40:
        return None
    if rest[:1].islower():
        return None
    before = re.sub(r"\d+", "0", found["before"].strip().casefold())  # the volume in 2-15
    weak = "日目" in found["after"]
    form = Form(before, _kind(found["n"]), found["after"].strip(), strict=weak, weak=weak)
    return form, _composed(found["volume"], found["n"])


def _composed(volume: str, number: str) -> int:
    part = re.match(r"\d+", volume)
    return (int(part[0]) * 10_000 if part else 0) + value(number)


def _of_last(text: str) -> Found:
    found = _LAST.fullmatch(text)
    if found is None or text[0].islower():
        return None
    name = found["name"].replace(": ", " ") if found["volume"] else found["name"]
    if _NO_NAME.search(name):
        return None
    closed = "(" in found["before"] or "（" in found["before"]
    if closed != bool(found["after"]):
        return None
    if not (closed or found["part"] or found["volume"]):
        # Nothing but a number behind: the name has to be the same each time.
        form = Form(found["name"].casefold(), "last", found["before"].strip(), True, weak=True)
        return form, value(found["n"])
    kind, number = SERIES.get(found["n"], ("", 0))
    if not kind:
        kind, number = _kind(found["n"]), _composed(found["volume"] or "", found["n"])
    mark = found["before"].strip() + (found["part"] or "").strip().casefold()
    of_volume = bool(found["volume"])
    form = Form(
        "*" + mark + "." * of_volume, kind, found["after"], not of_volume, weak=not of_volume
    )
    return form, number


def _of_run_on(text: str) -> Found:
    found = _DATE.fullmatch(text) if "月" in text[:9] else None
    if found:
        return Form("", "date", "", weak=True), value(found["m"]) * 40 + value(found["d"])
    if month := _MONTH.fullmatch(text):
        return Form("", "date", "月", weak=True), int(month["y"]) * 12 + value(month["m"])
    found = _RUN_ON.match(text)
    if found is None or len(text) > 24 or re.search("[。，；！？：“”]", text):
        return None
    return Form("", "run-on", "", strict=True, weak=True), value(found["n"])


def _of_row(text: str) -> Found:
    found = _ROW.fullmatch(text)
    if found is None:
        return None
    rest = (found["rest"] or "").strip(BLANK)
    if len(rest) > 24 or re.search("[。，；！？“”]", rest) or rest[:1].islower():
        return None
    row, place = SERIES[found["n"]]
    form = Form(found["before"], row, found["half"] + found["after"], strict=True, weak=True)
    return form, place


def _worded(text: str) -> Found:
    if (worded := worded_form(text)) is None or text[-1] == ".":
        return None
    before, written, after = worded
    weak = not is_chapter_word(before or after)
    number = value_of_words(written)
    if number:
        kind = "digits" if written.isdecimal() else "numeral"
        return Form(before, kind, after, strict=weak, weak=weak), number
    if not has_no_number_words(before or after):
        return None
    return Form(before, "word", after, strict=True, weak=True), written


def _in_words(text: str) -> Found:
    found = _IN_WORDS.fullmatch(fold(text))
    if found is None:
        return None
    if (rest := found["rest"]) and (
        not text[found.start("rest") + 1 :].strip(" –—-")[:1].isupper() or rest[-1] in ".,;!?"
    ):
        return None
    words = found["words"].split()
    for start, end in ((0, len(words)), (1, len(words)), (0, len(words) - 1)):
        if number := value_of_words(" ".join(words[start:end])):
            before, after = " ".join(words[:start]), " ".join(words[end:])
            if found["stop"] and (before or after):  # Deux heures. is a sentence, as One. may be
                return None
            return Form(before, "word", after, strict=True, weak=True), number
    return None


def _bare(found: re.Match[str]) -> bool:
    """Whether a number without any mark may head a chapter: 001, 12, IV, 十二."""
    return (
        not found["rest"] or found["rest"][0] in BLANK or re.match(CIRCLED, found["n"]) is not None
    )


def _kind(numeral: str) -> str:
    if numeral[0].isdecimal():
        return "digits"
    return "roman" if numeral[0].isascii() or numeral[0] in "ІХС" else "han"
