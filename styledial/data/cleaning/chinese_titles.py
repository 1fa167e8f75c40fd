"""第…章 lines: which are titles by themselves, which run on as a sentence does.

第一章, 第一章 雪夜, 第一章雪夜            titles
第一章他来了                            TOLD: titles where the plain ones leave the number out
第一章程, 第二回合, 第一节课             OTHER_WORD: the same
"""

from __future__ import annotations

import re

from styledial.data.cleaning.form import ANY_NUMBER, LONGEST, LONGEST_MARKED, Form, Found
from styledial.data.cleaning.numerals import value
from styledial.data.cleaning.words import BLANK

_UNITS = "章回節节卷集部篇幕折话話夜"
PARTED = " \u3000\u00a0:：、.．·—_/|～~-"
NUMBERED = re.compile(
    rf"(?P<before>正文[\s\u3000·:：]*|[^\s。！？，“”「」]{{1,10}}[\s\u3000·:：]+)?[【\[（(]?第\s?(?P<n>{ANY_NUMBER})\s?(?P<unit>[{_UNITS}])[】\]）)]?(?P<rest>.*)"
)
# 第三天, 第三封信: any word after the number, and nothing or a title parted from it.
_OF_ANY_UNIT = re.compile(
    rf"[【\[（(]?第\s?(?P<n>{ANY_NUMBER})\s?(?P<unit>[^\W\d_]{{1,4}}?)[】\]）)]?(?P<rest>(?:[{PARTED}].*)?)"
)
_BRACED_NUMBER = re.compile(rf"[「『《〈<](第\s?{ANY_NUMBER}\s?[{_UNITS}])[」』》〉>]")
_NAMED = re.compile(r"(?P<book>[《【][^》】]{1,20}[》】]\s?|(?:VIP|vip|Ｖ|V)\s?)(?P<title>第.*)")
# Words that begin with a chapter's word: 第一章程, 第二回合, 第一节课 are no titles.
_GOES_ON_AS_WORD = {
    "章": "程节節法", "回": "合来來去到家头頭应應信国國", "节": "课課目约約日", "節": "課目約日",
    "卷": "子入宗", "集": "合团團中体體", "部": "分队隊门門长長", "篇": "文章", "幕": "后後府布僚",
    "折": "扣磨叠", "话": "题題说筒", "話": "題説筒", "夜": "里裡晚",
}  # fmt: skip
_TOLD = re.compile("[了他她它我你！？…，“”「」:：]")
ENDED = ("完", "终", "終", "了", "（完）", "(完)")  # 第一話　完 ends a chapter
QUOTED = re.compile("[「『“《][^」』”》]{1,30}[」』”》]")
# 第六章程门立雪 and 第一章程是这样写的: titles where the book's other titles leave that number out.
OTHER_WORD, TOLD = "other word", "told"
_MARKS = re.compile("[！？…，“”「」:：]")
_COUPLET = 8  # characters: 第一百十八回合歡樓叔嫂被殺郭家營宗德廢命 begins with 合歡, not 回合


def reads_as_title(rest: str, unit: str, length: int) -> bool:
    """What follows 第一回: prose goes on without a space, or has a sentence in it."""
    if not rest.strip(BLANK):
        return True
    if QUOTED.fullmatch(rest):
        return True
    parted = rest[0] in PARTED or rest[0] == "。"  # 第一章.名 in Chinese typography
    body = rest.lstrip("。").strip(PARTED)
    body = body.removesuffix("。") if parted and len(body) <= 16 else body
    if body.rstrip("】]") in ENDED:
        return False
    if re.search("[。；]", body) or not body:
        return False
    if parted:  # one comma may part the two halves of a couplet, a quotation may be in it
        halves = body.split("，")
        even = len(halves) == 2 and abs(len(halves[0]) - len(halves[1])) <= 1
        return (len(halves) == 1 or even) and length <= LONGEST_MARKED
    # A title run on without a space has no such marks; 第一章程, 第二部分, 第三回合 are words.
    if length > LONGEST or len(body) > 44 or re.search("[:：]", body):
        return False
    if _is_longer_word(unit, body) or _is_told(unit, body):
        return False
    return unit not in "部篇话話夜"


def _is_told(unit: str, rest: str) -> bool:
    pattern = _MARKS if unit == "回" and len(rest) >= _COUPLET else _TOLD
    return pattern.search(rest) is not None


def _is_longer_word(unit: str, rest: str) -> bool:
    if unit == "回" and len(rest) >= _COUPLET:
        return False
    return rest[:1] != "" and rest[0] in _GOES_ON_AS_WORD.get(unit, "")


def of_chinese(text: str) -> Found:
    """(form, number) of a line with 第; None for a line without a number, or a sentence."""
    if text[0] in "《【VvＶ" and (named := _NAMED.fullmatch(text)):
        found_in = of_chinese(named["title"])
        if found_in is None or found_in[0].kind:
            return None
        return found_in[0]._replace(before=named["book"].strip() + "第"), found_in[1]
    text = _BRACED_NUMBER.sub(r"\1 ", text)
    if found := NUMBERED.fullmatch(text):
        rest = found["rest"]
        body = rest.strip(PARTED)
        if re.search("[。；：:，,、]$|[。；]", body) or body.rstrip("】]") in ENDED:
            return None
        kind = ""
        if rest and rest[0] not in PARTED:
            told = _is_told(found["unit"], rest) and not QUOTED.fullmatch(rest)
            kind = TOLD if told else "run-on"
            kind = OTHER_WORD if _is_longer_word(found["unit"], rest) else kind
        return Form("第", kind, found["unit"]), value(found["n"])
    if (found := _OF_ANY_UNIT.fullmatch(text)) and not re.search("[。，；！？“”]", found["rest"]):
        return Form("第", "any", found["unit"], strict=True, weak=True), value(found["n"])
    return None
