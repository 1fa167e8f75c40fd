"""Characters made uniform, line by line: paragraph ends, tags, entities, hidden characters.

What is prose stays: no word, verse line or mark of speech is removed here, only its form is
settled. Chinese typography is for Chinese books (typography.py); in any other language every
mark and space stays as the book has it. Quotation marks need a whole paragraph and have their
own step (quotes.py).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from styledial.data.cleaning.form import ANY_NUMBER
from styledial.data.cleaning.invisible import without_invisible
from styledial.data.cleaning.language import CHINESE, HAN, Language
from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.cleaning.typography import in_chinese_form, without_letter_spaces

_BROKEN = re.compile("[\ufffd\ud800-\udfff]")
_PRIVATE = re.compile("[\ue000-\uf8ff]")
# What stands in for a lost character: boxes, stray kana, symbols, hyphens, lone letters.
_SIGNS = "□ぁ-ヺㄅ-ㄩ∠-∵∷-⋿"
_ODD = re.compile(
    f"[{_SIGNS}A-Za-z-](?:(?<=[{_SIGNS}])|(?<=[{HAN}，。]-)|(?<=-)(?=[{HAN}])"
    f"|(?<=[{HAN}，。][A-Za-z])[A-Za-z]?(?=[{HAN}]))"
)
_TAG = re.compile(r"</?(?:p|br|div|span|b|i|font|center|strong|em|hr)\b[^<>]{0,200}>", re.I)
_LAST_BREAK = re.compile(r"\s*(?:<br\s*/?>\s*)+$", re.I)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z]{2,8}\d?);")
_MOJIBAKE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u20ac\u201a-\u2122]")
# Where a paragraph ends inside a line. A lone </p> or <br> at the end of a line ends nothing more.
_ENDS_BY_TAG = re.compile(
    r"(?:<br\s*/?>|</p\s*>|<p\b[^<>]{0,200}>|</div\s*>)(?:\s*<p\b[^<>]*>)?", re.I
)
_ENDS_BY_MARK = re.compile("[\u2028\u2029\x85\x0b\x0c\x1c-\x1e]+")
_ENDS_BY_INDENT = re.compile(
    "(?<=[。！？!?…”」』）)])(?:[\u3000\u2003]{2,}|[ \u00a0\u2002]{4,})(?=\\S)"
)
# On such a page a title is parted in the same way from what follows, but not from what it follows.
_INDENT = "(?:[\u3000\u2003]{2,}|[ \u00a0\u2002]{4,})"
_ENDS_A_TITLE = re.compile(f"(?<=\\S)[ \u3000]?{_INDENT}(?=\\S)")
_BEFORE_A_TITLE = re.compile(
    rf"(?<=[。！？!?…”」』）)])(?=第\s?{ANY_NUMBER}\s?[章回節节卷][ \u3000]"
    rf"[^。，！？；“”「」]{{1,30}}{_INDENT}\S)"
)
# A line end or a tag that was written out as text.
_WRITTEN = re.compile(r"""(?<=[。！？!?.…”」』）)"])(?:(?:\\r)?\\n)+(?=\S)""")
_ANY_WRITTEN = re.compile(r"(?:(?:\\r)?\\n)+")
_ESCAPED = re.compile(r"&lt;\s*(?:/?\s*(?:br|p|div)\s*/?)\s*&gt;", re.I)
_SPACE_ENTITY = re.compile("&(?:nbsp|emsp|#160|#12288);")
_HAS_END = re.compile(
    "[<\u2028\u2029\x85\x0b\x0c\x1c-\x1e]|[\u3000\u2003\u00a0 ]{2}|\\\\n|&(?:nbsp|emsp|#1)"
)

# Most lines of a sound Chinese book: nothing in them needs a closer look.
_PLAIN = re.compile("[ \u3000]*[一-鿿，。！？：；“”‘’「」『』、《》（）]*")


def has_markup(sample: Sequence[Line]) -> bool:
    """Whether tags in the book are a page's: closed, or many, and not <b> in a sentence."""
    tags = [tag for line in sample if "<" in line.text for tag in _TAG.findall(line.text)]
    return len(tags) >= 5 or any(tag.startswith("</") for tag in tags)


def normalise(
    lines: Iterable[Line],
    ledger: Ledger,
    language: Language = CHINESE,
    spread: bool = False,
    markup: bool = True,
) -> Iterator[Line]:
    """Lines with characters in one form; leading spaces stay, as columns tell paragraphs.

    `spread`: a space stands between every two characters of the book, and goes. `markup`: tags
    go; where the book has none to speak of, only a <br> that ends a line or is one.
    """
    plain = language.code in ("zh", "ja")
    for line in lines:
        text = line.text.rstrip(" \u3000")
        if "&lt;" in text and len(_ESCAPED.findall(text)) >= 3:
            text = _ESCAPED.sub("\u2028", text)
        if "<" in text and not markup:
            text = _without_last_break(text, line, ledger)
        if plain and _PLAIN.fullmatch(text) and "。。" not in text:
            yield Line(line.number, text)
            continue
        for part in _paragraphs(text, language, markup) if _HAS_END.search(text) else (text,):
            if spread:
                part = without_letter_spaces(part)
            if markup and "<" in part:
                part = _without_tags(part, line, ledger)
            yield Line(line.number, _settled(part, line, ledger, language))


def _without_tags(text: str, line: Line, ledger: Ledger) -> str:
    for tag in _TAG.findall(text):
        ledger.drop(line, "markup", tag)
    return _TAG.sub("", text)


def _without_last_break(text: str, line: Line, ledger: Ledger) -> str:
    found = _LAST_BREAK.search(text)
    if found is None:
        return text
    ledger.drop(line, "markup", found[0])
    return text[: found.start()]


def _paragraphs(text: str, language: Language, markup: bool) -> list[str]:
    """The paragraphs of one line."""
    if "&" in text:
        text = _SPACE_ENTITY.sub("\u00a0", text)
    if "\\n" in text and len(_WRITTEN.findall(text)) >= 3:
        text = _ANY_WRITTEN.sub("\u2028", text)  # behind a title too
    ends = [_ENDS_BY_MARK] + [_ENDS_BY_TAG] * (markup and "<" in text)
    # One or two such gaps are verse on a line; more are the paragraphs of a page without lines.
    if not language.spaced and len(_ENDS_BY_INDENT.findall(text)) >= 3:
        ends += [_ENDS_BY_INDENT, _BEFORE_A_TITLE, _ENDS_A_TITLE]
    parts = [text]
    for end in ends:
        parts = [piece for part in parts for piece in _split_after(part, end)]
    return parts


def _split_after(text: str, end: re.Pattern[str]) -> Iterator[str]:
    """`text` cut at each end that has something on both sides of it; tags stay with what they
    close, so that they are counted as markup."""
    start = 0
    for found in end.finditer(text):
        tag = found[0].startswith("<")
        if text[start : found.start()].strip() and text[found.end() :].strip():
            yield text[start : found.end() if tag else found.start()]
            start = found.end() if tag or found[0].strip(" \u3000") else found.start()
    yield text[start:]


def _settled(text: str, line: Line, ledger: Ledger, language: Language) -> str:
    if "&" in text:
        text = _ENTITY.sub(lambda m: html.unescape(m[0]), text)
    text = without_invisible(text)
    if not text.isascii():
        text = _repaired(text, line, ledger)
        if language.chinese:
            text = in_chinese_form(text)
    indent = len(text) - len(text.lstrip())
    return text[:indent].replace("\t", "    ") + text[indent:].rstrip()


def _repaired(text: str, line: Line, ledger: Ledger) -> str:
    """`text` without the characters that an earlier conversion lost; those are counted."""
    if found := _BROKEN.findall(text):
        ledger.broken += len(found)
        ledger.drop(line, "broken characters", "\ufffd" * len(found))
        text = _BROKEN.sub("", text)
    ledger.broken += len(_PRIVATE.findall(text))
    ledger.odd += len(_ODD.findall(text))
    if _MOJIBAKE.search(text):
        import ftfy

        text = ftfy.fix_encoding(text)
    return text
