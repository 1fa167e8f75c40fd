"""Letters in the form that text is written in, where a program that prints left another one.

A browser's PDF names a glyph by the first code that has it, and so prints 风 as the radical ⻛; a
typesetter's has ﬁ for fi, one in vertical lines ﹁ for 「; macOS writes ế as e and two accents.
None of these reads as the letter that it stands for, to a title's pattern or to a model.
"""

from __future__ import annotations

import re
import unicodedata

from styledial.data.cleaning.script import simplified

# Unicode gives these as equivalents (EquivalentUnifiedIdeograph.txt), but not to normalize().
_RADICALS = (
    "⺅亻⺉刂⺎兀⺒巳⺓幺⺔彑⺖忄⺘扌⺛旡⺞歺⺠民⺡氵⺣灬⺦丬⺨犭⺭礻⺰纟⺾艹⻁虎⻃覀⻄西⻅见⻆角⻈讠⻉贝⻋车⻌辶⻐钅⻑長⻓长⻔门⻖阝"
    "⻘青⻙韦⻚页⻛风⻜飞⻝食⻟飠⻠饣⻢马⻣骨⻤鬼⻥鱼⻦鸟⻧卤⻨麦⻩黄⻪黾⻫斉⻬齐⻭歯⻮齿⻯竜⻰龙⻱龜⻲亀"
)
# Without ︰, which books in traditional characters have for a colon.
_OF_VERTICAL_LINES = (
    "︐，︑、︒。︓：︔；︕！︖？︙…︱—︵（︶）︷｛︸｝"
    "︹〔︺〕︻【︼】︽《︾》︿〈﹀〉﹁「﹂」﹃『﹄』"
)
_LIGATURES = "".join(map(chr, range(0xFB00, 0xFB07)))
_KANGXI = "".join(map(chr, range(0x2F00, 0x2FD6))) + "⺟⻳"
_DOOR = "⼾"  # the one whose letter depends on the language: 户, 戶, 戸
_FORMS = str.maketrans(
    {form: unicodedata.normalize("NFKC", form) for form in _LIGATURES + _KANGXI}
    | dict(zip(_RADICALS[::2], _RADICALS[1::2], strict=True))
    | dict(zip(_OF_VERTICAL_LINES[::2], _OF_VERTICAL_LINES[1::2], strict=True))
)
_PARTED = re.compile("[^\\W\\d_][\u0300-\u036f\u3099\u309a]+|[\u1100-\u11ff]+")
_MAY_CHANGE = re.compile(
    "[\u0300-\u036f\u1100-\u11ff\u2e80-\u2fd5\u3099\u309a\ufb00-\ufb06\ufe10-\ufe19\ufe30-\ufe44]"
)
_KANA = re.compile("[ぁ-ヺ]")


def as_written(text: str) -> str:
    """`text` with letters for forms of print, and accents on their letters."""
    if text.isascii() or not _MAY_CHANGE.search(text):
        return text
    text = _PARTED.sub(lambda found: unicodedata.normalize("NFC", found[0]), text)
    if _DOOR in text:
        text = text.replace(_DOOR, _door(text))
    return text.translate(_FORMS)


def _door(text: str) -> str:
    if _KANA.search(text):
        return "戸"
    return "戶" if simplified(text) != text else "户"
