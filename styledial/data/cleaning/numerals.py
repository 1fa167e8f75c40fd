"""Numbers as titles write them: 12, ⅫI, 十二, 壹拾贰, ⑫, 甲. Words are in number_words.py."""

from __future__ import annotations

import re
import unicodedata

HAN_DIGITS = "零〇○一二三四五六七八九十百千万萬两兩廿卅卌壹贰貳叁參参肆伍陆陸柒捌玖拾佰仟壱弐"
ARABIC = r"\d{1,4}"
_MIXED = f"[{HAN_DIGITS}0-9０-９]"  # 一百0一
HAN_NUMBER = rf"(?:[{HAN_DIGITS}]{_MIXED}{{0,9}}|\d{{1,3}}[{HAN_DIGITS}]{_MIXED}{{0,8}})"
ROMAN = "(?:[IVXLC]{1,9}|[ivxlc]{1,9}|[ІХVСL]{1,9}|[Ⅰ-ⅿ]{1,4})"
CIRCLED = "[①-⑳㈠-㈩⑴-⒇]"
# Roman numbers that are ones, in small letters: `civil` is none.
REAL_ROMAN = (
    "(?=[ivxlcіхс])[cс]{0,3}(?:[xх][cс]|[xх]l|l?[xх]{0,4})(?:[iі][xх]|[iі]v|v?[iі]{0,4})|[ⅰ-ⅿ]{1,4}"
)

_DIGITS = (
    {c: i for i, c in enumerate("零一二三四五六七八九")}
    | {c: i for i, c in enumerate("〇壹贰叁肆伍陆柒捌玖")}
    | {"○": 0, "两": 2, "兩": 2, "貳": 2, "參": 3, "参": 3, "陸": 6, "壱": 1, "弐": 2}
)
_TENS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000, "万": 10000, "萬": 10000}
_SCORES = {"廿": 20, "卅": 30, "卌": 40}
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_CYRILLIC_ROMAN = str.maketrans("іхс", "ixc")

# What stands for a number by its place in a row.
_ROWS_OF_SIGNS = (
    "上中下", "甲乙丙丁戊己庚辛壬癸", "子丑寅卯辰巳午未申酉戌亥", "春夏秋冬", "상중하",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "אבגדהוזחטי", "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ",
)  # fmt: skip
# (row, place) of each sign.
SERIES = {sign: (row, place) for row in _ROWS_OF_SIGNS for place, sign in enumerate(row, 1)}
SERIES |= {sign: ("上中下", place) for sign, place in (("前", 1), ("後", 3), ("后", 3))}

# Chapters that are numbered by the letters of the alphabet, and Arabic's ordinals.
LETTERS = (
    "(?:[Α-Ωα-ω]{1,3}[΄ʹ´'’]|[\u05d0-\u05ea]{1,2}['׳״\"]?[\u05d0-\u05ea]?|"
    "ال(?:أول|ثاني|ثالث|رابع|خامس|سادس|سابع|ثامن|تاسع|عاشر|حادي|أخير)[ةى]?"
    "(?: (?:عشرة?|وال(?:عشر|ثلاث|أربع|خمس)ون))?)"
)


def value(numeral: str) -> int:
    """What a numeral says; 0 where it can't be read."""
    text = unicodedata.normalize("NFKC", numeral).strip("()").lower().translate(_CYRILLIC_ROMAN)
    if text.isdigit():
        return int(text)
    if re.fullmatch("[ivxlc]+", text):
        return _roman(text)
    return _han(text)


def _roman(text: str) -> int:
    values = [_ROMAN[c] for c in text]
    after = [*values[1:], 0]
    return sum(-v if v < w else v for v, w in zip(values, after, strict=True))


def _han(text: str) -> int:
    """一千零二十二, 一百0二, and digits in a row as in 一一七."""
    digits = [_DIGITS.get(c, int(c) if c.isdecimal() else -1) for c in text]
    if len(text) > 1 and min(digits) >= 0:
        return int("".join(map(str, digits)))
    total = part = digit = 0
    for c, own in zip(text, digits, strict=True):
        if c in _SCORES:
            part, digit = part + _SCORES[c], 0
        elif (unit := _TENS.get(c, 0)) >= 10_000:
            total, part, digit = (total + part + digit) * unit, 0, 0
        elif unit:
            part, digit = part + (digit or 1) * unit, 0
        else:
            digit = max(own, 0)
    return total + part + digit
