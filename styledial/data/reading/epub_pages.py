"""Which pages of an .epub are the book's text, and how they follow one another.

Imprints, contents and title pages are told by their words; a story about a printer has some.
"""

from __future__ import annotations

import re

from styledial.data.reading.markup import Page

_NO_PROSE = {
    "copyright-page", "titlepage", "halftitlepage", "toc", "landmarks", "index", "imprint",
    "colophon", "cover", "page-list", "loi", "lot", "other-credits", "seriespage",
}  # fmt: skip
_COPYRIGHT = re.compile(
    r"ISBN|图书在版编目|圖書在版編目|CIP|版权所有|版權所有|出版社|出版发行|印刷|印张|印張|开本"
    r"|字数|定价|定價|版次|责任编辑"
    r"|all rights reserved|copyright (?:©|\(c\))|first published|published by"
    r"|no part of this|library of congress"
    r"|título original|editor digital|epub base r\d|dep[oó]sito legal"
    r"|diseño de (?:la )?(?:cubierta|portada)|(?:todos los derechos|todos os direitos) reservados"
    r"|alle rechte vorbehalten|tous droits réservés"
    r"|titre original|dépôt légal|achevé d['’]imprimer|titel der originalausgabe|titolo originale"
    r"|tutti i diritti|все права защищены|УДК \d|ББК \d|тираж \d|подписано в печать",
    re.I,
)
# Marks that a story about a printer has not.
_SURELY_COPYRIGHT = re.compile(
    r"ISBN|图书在版编目|圖書在版編目|CIP|版权所有|版權所有|copyright (?:©|\(c\))|"
    r"library of congress",
    re.I,
)
_ALSO_BY = re.compile(
    r"(?:also|other (?:books|novels|titles|works)|books|novels) by (?!the ).{2,60}|"
    r"(?:other books )?by the same author|"
    r"(?:du même auteur|von demselben autor|del mismo autor|同じ著者の本)",
    re.I,
)
# Pages of their own at either end of a book: who wrote, made and sells it.
_ABOUT = re.compile(
    r"about the (?:authors?|publisher|translator|illustrator)|newsletter|"
    r"über (?:den autor|die autorin)|à propos de l['’]aut(?:eur|rice)|sobre (?:el autor|la autora|"
    r"o autor|a autora)|l['’]autore|об авторе|o autorze|про автора|yazar hakkında|"
    r"(?:关于|關於)(?:作者|译者|譯者|出版社)|(?:作者|译者|譯者)(?:简介|簡介|介绍|介紹)|"
    r"(?:制作|製作|版权|版權)(?:信息|資訊|说明|說明)|(?:内容|內容|作品)(?:简介|簡介)|著者(?:紹介|略歴)|"
    r"(?:작가|저자|지은이) ?소개|"
    r"s[iy]nopsis|sinossi|klappentext|quatrième de couverture|аннотация",
    re.I,
)
# Names that a chapter may have too: there, only above `INÉS ROBLEDO (Burgos, 1950) es …`.
_AUTHOR = re.compile(
    r"(?:the )?author|(?:el )?autor|(?:la )?autora|l['’]aut(?:eur|eure|rice|ore)|der autor|"
    r"die autorin|об авторе|作者|著者",
    re.I,
)
_LIFE = re.compile(r"[^\W\d_][^()（）.!?。！？]{1,60}[(（][^()（）]{0,60}\d{4}[^()（）]{0,60}[)）]")
_NOTES = re.compile(
    r"(?:end|foot)?notes?|notas?(?: (?:del?|de la) [\w ]{3,30})?|note(?: del? [\w ]{3,30})?|"
    r"anmerkungen|fußnoten|endnoten|примечани[ея]|сноски|(?:注|註)(?:释|釋|解)?|[脚尾][注註]|訳注|주석?|"
    r"chú thích|przypisy",
    re.I,
)
_LONGEST_ABOUT = 2500  # characters
_SPEECH = re.compile("[“「『«»„]|^[—–-] ", re.M)
_TELLS = tuple(".!?,;…。！？，；”」』")  # how no line of a title page ends
_SENTENCE_END = re.compile(r"""[。！？!?.…—”"』」’'）)》:：;；~～*]$""")


def why_no_prose(page: Page) -> str:
    """Why a page isn't the book's text, or nothing."""
    rows = page.lines
    text = "".join(rows)
    typed = sum(page.typed[name] for name in _NO_PROSE)
    if text and typed >= 0.9 * len(text) and len(text) < 5000:
        return "contents" if page.typed["toc"] else "copyright page"
    told = sum(_SENTENCE_END.search(row) is not None for row in rows)
    imprint = len(text) < 3000 and len({m.lower() for m in _COPYRIGHT.findall(text)}) >= 3
    if imprint and (_SURELY_COPYRIGHT.search(text) or told * 2 < len(rows)):
        return "copyright page"
    if why := _why_about(rows):
        return why
    if _are_notes(page):
        return "notes"
    linked = len(rows) >= 5 and page.linked > len(text) * 0.8
    return "contents" if linked and told * 2 < len(rows) else ""


def _why_about(rows: list[str]) -> str:
    """Why a page is about the author or the edition, by its heading; nothing where it tells."""
    if not rows or sum(map(len, rows)) > _LONGEST_ABOUT:
        return ""
    head = rows[0].removeprefix("# ").strip()
    if _ALSO_BY.fullmatch(head):
        return "" if any(row[-1:] in _TELLS for row in rows[1:]) else "title page"
    spoken = sum(_SPEECH.search(row) is not None for row in rows[1:])
    named = _ABOUT.fullmatch(head) or (_AUTHOR.fullmatch(head) and any(map(_LIFE.match, rows[1:2])))
    about = len(rows) > 1 and named and spoken * 3 < len(rows)
    return "imprint" if about else ""


def _are_notes(page: Page) -> bool:
    """Whether a page named for its notes has as many of their marks as it has paragraphs."""
    rows = page.lines
    if len(rows) < 2 or not _NOTES.fullmatch(rows[0].removeprefix("# ").strip(" .:：")):
        return False
    return sum(why == "notes" for why, _ in page.dropped) >= len(rows) - 1


def why_title_page(page: Page, title: str) -> str:
    """Why a page before the text isn't part of it: it names the book and its author and tells
    nothing. Nothing where it may be prose."""
    rows = [row.removeprefix("# ") for row in page.lines]
    if any(row[-1:] in _TELLS for row in rows):
        return ""
    short = 2 <= len(rows) <= 8 and sum(map(len, rows)) <= 200
    bare = {"".join(row.split()).casefold() for row in rows}
    return "title page" if short and "".join(title.split()).casefold() in bare else ""


def titled(page: Page, titles: dict[str, str]) -> list[str]:
    """The rows, under the page's title in the table of contents where they have no heading."""
    rows = page.lines
    title = titles.get("") or next(iter(titles.values()), "")
    if not title or not rows or page.has_heading or any(row.startswith("# ") for row in rows):
        return rows
    same = "".join(rows[0].split()) == "".join(title.split())
    return [f"# {title}", *(rows[1:] if same else rows)]


def goes_on(before: str, after: str) -> bool:
    """A paragraph that was cut in two by the end of a page."""
    first = after[:1]
    if before.startswith("#") or first == "#" or not first.strip() or first.isupper():
        return False  # a heading, an indented or empty line, a new sentence
    return len(before) > 20 and not _SENTENCE_END.search(before)
