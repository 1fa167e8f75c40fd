"""Characters made uniform, line by line: spaces, widths, entities, punctuation.

What is prose stays: no word, verse line or mark of speech is removed here, only its form is
settled. Quotation marks need a whole paragraph and have their own step (quotes.py).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from styledial.data.cleaning.ledger import Ledger, Line

HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2028\u2029\u2060-\u2064\ufeff"
    "\ufff9-\ufffb]"
)
_BROKEN = re.compile("[\ufffd\ud800-\udfff]")
_PRIVATE = re.compile("[\ue000-\uf8ff]")
# What stands in for a lost character: boxes, stray kana, symbols, hyphens, lone letters.
_ODD = re.compile(
    f"[□ぁ-ヺㄅ-ㄩ∠-∵∷-⋿]|(?<=[{HAN}，。])-|-(?=[{HAN}])|(?<=[{HAN}，。])[A-Za-z]{{1,2}}(?=[{HAN}])"
)
_SPACES: dict[int, str | int] = {
    ord(c): " " for c in "\t\u00a0\u1680\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
}
_NARROW: dict[int, str | int] = {0xFF10 + i: 0x30 + i for i in range(10)}
_NARROW |= {0xFF21 + i: 0x41 + i for i in range(26)} | {0xFF41 + i: 0x61 + i for i in range(26)}
_FORMS = {
    **_SPACES,
    **_NARROW,
    0x2236: "：",
    0xFE55: "：",
    0xFE52: "。",
    0xFE50: "，",
    0xFF61: "。",
}
_FORMS |= {0xFF62: "「", 0xFF63: "」", 0xFE41: "「", 0xFE42: "」", 0xFE43: "『", 0xFE44: "』"}
_FORMS |= {0x301D: "“", 0x301E: "”", 0xFF02: '"', 0xFF07: "'"}
_TO_FORM = re.compile("[" + "".join(re.escape(chr(c)) for c in _FORMS) + "]")
_TAG = re.compile(r"</?(?:p|br|div|span|b|i|font|center|strong|em|hr)\b[^<>]{0,200}>", re.I)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z]{2,8}\d?);")
_MOJIBAKE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u20ac\u201a-\u2122]")

_WIDE = {",": "，", ";": "；", ":": "：", "?": "？", "!": "！", ".": "。", "(": "（", ")": "）"}
_AFTER_HAN = re.compile(f'(?<=[{HAN}”’」』》）])[,;:?!](?!//)|(?<=[{HAN}])\\.(?=$|[{HAN}“”「」"])')
_BRACKETS = re.compile(f"\\((?=[{HAN}])|(?<=[{HAN}。！？，])\\)")
_DOTS = re.compile(r"\.{3,}|[．。·・]{3,}|…+|⋯+")
_DASHES = re.compile("[－—]{2,}|(?<=[" + HAN + "，。！？”])--+")
_INNER_SPACES = re.compile("(?<=\\S)(?:  +|[ ]*\u3000[ \u3000]*)(?=\\S)")
_LOOSE_SPACE = re.compile(f"(?<=[{HAN}，。！？；：、”’」』]) (?=[“‘「『”’」』，。！？；：、])")
_ANY_ASCII_MARK = re.compile(r"[,;:?!.()\-．。·・…⋯－—]")


# Most lines of a sound book: nothing in them needs a closer look.
_PLAIN = re.compile("[ \u3000]*[一-鿿，。！？：；“”‘’「」『』、《》（）]*")


def normalise(lines: Iterable[Line], ledger: Ledger) -> Iterator[Line]:
    """Lines with characters in one form; leading spaces stay, as columns tell paragraphs."""
    for line in lines:
        text = line.text.rstrip(" \u3000")
        if _PLAIN.fullmatch(text) and "。。" not in text:
            yield Line(line.number, text)
            continue
        if _INVISIBLE.search(text):
            text = _INVISIBLE.sub("", text)
        if "<" in text:
            for tag in _TAG.findall(text):
                ledger.drop(line, "markup", tag)
            text = _TAG.sub("", text)
        if "&" in text:
            text = _ENTITY.sub(lambda m: html.unescape(m[0]), text)
        if not text.isascii():
            text = _mend(text, line, ledger)
        yield Line(line.number, text.replace("\t", "    ").rstrip())


def _mend(text: str, line: Line, ledger: Ledger) -> str:
    if found := _BROKEN.findall(text):
        ledger.broken += len(found)
        ledger.drop(line, "broken characters", "\ufffd" * len(found))
        text = _BROKEN.sub("", text)
    ledger.broken += len(_PRIVATE.findall(text))
    ledger.odd += len(_ODD.findall(text))
    if _MOJIBAKE.search(text):
        import ftfy

        text = ftfy.fix_encoding(text)
    if _TO_FORM.search(text):
        text = text.translate(_FORMS)
    body = text.lstrip(" \u3000")
    indent = text[: len(text) - len(body)]
    if _ANY_ASCII_MARK.search(body):
        body = _DOTS.sub("……", body) if not body.isascii() else body
        body = _DASHES.sub("——", body)
        body = _AFTER_HAN.sub(lambda m: _WIDE[m[0]], body)
        body = _BRACKETS.sub(lambda m: _WIDE[m[0]], body)
    if "  " in body or "\u3000" in body:
        body = _INNER_SPACES.sub("\u3000", body)
    return indent + _LOOSE_SPACE.sub("", body)
