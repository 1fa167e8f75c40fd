"""Front and back matter by editors: prefaces, blurbs, notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from styledial.data.cleaning.chapters import Paragraph
from styledial.data.cleaning.ledger import Ledger
from styledial.data.cleaning.site_ends import line_at_end

_LONGEST = 30_000  # characters before the first title; more is prose that no title opened
_NAMES = re.compile(r"(?:前言|序言|序|内容简介|內容簡介|出版说明|跋)(?:\s.*)?")
# Words of blurbs and of scholarship; a storyteller has few of them, an editor many.
_EDITORS = re.compile(
    "出版社|出版|版本|刊本|底本|原稿|校点|校點|校注|整理|代表作|作者|作品|小说|小說|主题|"
    "主題|题材|題材|文学|文學|"
    "简介|簡介|介绍|介紹|描写|描寫|形象|人物|艺术|藝術|现存|現存|全称|全稱|佚名|续书|續書|"
    "电子书|版权|版權"
)
_APART = 150  # characters from one of them to the next, at most
_BLURB_NAMES = (
    "(?:(?:内容|作品|小说)?(?:简介|簡介|介绍|介紹)|文案|あらすじ|作品紹介|줄거리|작품 ?소개|"
    "аннотация|synopsis|blurb)"
)
_BLURB = re.compile(
    rf"(?:[【\[]{_BLURB_NAMES}[】\]]\s?[:：]?|{_BLURB_NAMES}\s?[:：])(?P<text>.*)", re.I | re.DOTALL
)
_HEAD = 6  # paragraphs in which a blurb begins: further on it may be one that a story quotes
# Said of rights at the head of a book, in the words of publishers.
_RIGHTS = re.compile(
    r"^\W{0,3}(?:©|\(c\)\s?\d{4}|copyright (?:©|\(c\)|\d{4})|ISBN\b)|"
    r"^(?:all rights reserved|все права защищены|tous droits réservés|alle rechte vorbehalten|"
    r"todos los derechos reservados|tutti i diritti riservati|todos os direitos reservados|"
    r"wszelkie prawa zastrzeżone|всі права захищено|tüm hakları saklıdır|版权所有|版權所有|"
    r"無断転載)\b",
    re.I,
)
_LONGEST_BLURB = 1000  # characters; a prologue may stand under it
_TOLD = 4  # paragraphs of sentences that are more than a blurb
SENTENCE = re.compile(r"[。！？”」]|\w+(?:[ ,]+\w+){3,}[.!?…][\"'”’»)]*$")
_LONG_SENTENCE = re.compile(r".{60}[.!?…][\"'”’»)]*$")
_SPEECH = re.compile("[道曰说說][：，]?[“「]")
_NOTE_HEAD = re.compile("[【\\[]?(?:注释|注釋|注解|註解|校注|校记|校記)[】\\]]?[:：]?")
_NOTE = re.compile(
    r"(?:[①-⑳]|[\[（(]\d{1,3}[\])）]|\d{1,3}[.、])?\s*[^，。！？“”「」]{1,14}(?:——|─+|"
    r"[:：]).{1,120}"
)


def separate_front(paragraphs: Iterable[Paragraph], ledger: Ledger) -> Iterator[Paragraph]:
    """Prose from the first title on; before it, what an editor or a site wrote is dropped.

    A prologue stays, as passages of their own without a chapter. A book without titles stays
    whole, except for lines at its head that only name it.
    """
    held: list[Paragraph] = []
    size = 0
    stream = iter(paragraphs)
    for paragraph in stream:
        if paragraph.chapter is not None:
            yield from _judge(held, ledger)
            held = []
            yield from _without_prefaces([paragraph], stream, ledger)
            break
        held.append(paragraph)
        size += len(paragraph.line.text)
        if size > _LONGEST:
            break
    yield from _without_name(_without_blurb(held, ledger), ledger)
    yield from stream


def _judge(held: list[Paragraph], ledger: Ledger) -> Iterator[Paragraph]:
    """The text before the first title: nothing if it is a blurb, a preface or the book's name."""
    held = _without_imprint(_without_blurb(held, ledger), ledger)
    for paragraph in held:
        if why := line_at_end(paragraph.line.text, True):
            ledger.drop(paragraph.line, why)
    held = [p for p in held if not line_at_end(p.line.text, True)]
    text = "\n".join(p.line.text for p in held)
    if _is_editorial(text):
        _drop(held, "preface", ledger)
    elif len(text) <= 120 and not any(SENTENCE.search(p.line.text) for p in held):
        _drop(held, "book title", ledger)
    else:
        yield from _without_name(held, ledger)


def _without_imprint(held: list[Paragraph], ledger: Ledger) -> list[Paragraph]:
    """`held` without what stands up to its last line of rights, where such lines open a book."""
    marked = [i for i, p in enumerate(held) if _RIGHTS.search(p.line.text)]
    end = marked[-1] + 1 if marked else 0
    above = [p.line.text for p in held[: marked[0] if marked else 0]]
    told = [i for i, row in enumerate(above) if SENTENCE.search(row) or _LONG_SENTENCE.search(row)]
    # A prologue may stand above them, and a sentence on a publisher.
    begin = told[-1] + 1 if len(told) >= _TOLD else 0
    if sum(len(p.line.text) for p in held[begin:end]) > _LONGEST_BLURB + 100 * len(marked):
        return held
    _drop(held[begin:end], "imprint", ledger)
    return held[:begin] + held[end:]


def _without_blurb(held: list[Paragraph], ledger: Ledger) -> list[Paragraph]:
    """`held` without what stands under 内容简介：, up to a blank line or the first title, or
    without the paragraph that begins so; only at the head of a book, before any sentence."""
    rows = [paragraph.line.text for paragraph in held]
    begin = next((i for i, row in enumerate(rows) if _BLURB.fullmatch(row)), None)
    above = [row for row in rows[:begin] if row]
    if begin is None or len(above) >= _HEAD or any(map(SENTENCE.search, above)):
        return held
    headed = _BLURB.fullmatch(rows[begin])
    if headed and headed["text"].strip():
        end = begin + 1
    else:
        end = next((i for i in range(begin + 2, len(rows)) if not rows[i]), len(rows))
    if sum(map(len, rows[begin:end])) > _LONGEST_BLURB:
        return held
    _drop(held[begin:end], "preface", ledger)
    return held[:begin] + held[end:]


def _without_prefaces(
    first: list[Paragraph], rest: Iterator[Paragraph], ledger: Ledger
) -> Iterator[Paragraph]:
    """Leading chapters that call themselves preface and read like one are dropped."""
    held = first
    chapter = first[0].chapter
    for paragraph in rest:
        if paragraph.chapter == chapter and _NAMES.fullmatch(chapter or ""):
            held.append(paragraph)
            continue
        yield from _kept_unless_editorial(held, ledger)
        held = [paragraph]
        chapter = paragraph.chapter
        if not _NAMES.fullmatch(chapter or ""):
            break
    yield from _kept_unless_editorial(held, ledger)
    yield from rest


def _kept_unless_editorial(held: list[Paragraph], ledger: Ledger) -> Iterator[Paragraph]:
    named = held and _NAMES.fullmatch(held[0].chapter or "")
    if named and _is_editorial("\n".join(p.line.text for p in held)):
        _drop(held, "preface", ledger)
    else:
        yield from held


def _is_editorial(text: str) -> bool:
    """Words of scholarship, no dialogue: a prologue about a painter has works and art in it too."""
    words = set(_EDITORS.findall(text))
    speech = len(_SPEECH.findall(text))
    rows = [row for row in text.split("\n") if row]
    spoken = sum(row[0] in "“「『" for row in rows)
    if len(rows) >= 5 and spoken >= 0.15 * len(rows):
        return False
    often = len(_EDITORS.findall(text)) * _APART >= len(text)
    return len(words) >= 3 and often and len(words) > speech and len(text) < _LONGEST


def _without_name(held: list[Paragraph], ledger: Ledger) -> Iterator[Paragraph]:
    """《水浒传》 or 作者：施耐庵 alone on the first lines is not prose."""
    for place, paragraph in enumerate(held):
        named = re.fullmatch(
            r"[《【\[][^。！？]{1,40}[》】\]]|(?:书名|書名|作者|著者|译者|譯者|author|"
            r"title)[:：].{1,40}",
            paragraph.line.text,
            re.I,
        )
        if place < 6 and named:
            _drop([paragraph], "book title", ledger)
        else:
            yield paragraph


def drop_notes(paragraphs: Iterable[Paragraph], ledger: Ledger) -> Iterator[Paragraph]:
    """Prose without an editor's glosses: 注释： and the word——meaning lines under it."""
    inside = False
    head: list[Paragraph] = []  # 注释 and the blanks under it, until a gloss shows what it heads
    for paragraph in paragraphs:
        text = paragraph.line.text
        if _NOTE_HEAD.fullmatch(text):
            yield from head
            head, inside = [paragraph], False
            continue
        if head and not text:
            head.append(paragraph)
            continue
        if head:
            inside = _NOTE.fullmatch(text) is not None
            yield from _headed(head, inside, ledger)
            head = []
        elif inside and text and not _NOTE.fullmatch(text):
            inside = False
        if inside and text:
            ledger.drop(paragraph.line, "notes")
        else:
            yield paragraph
    yield from head


def _headed(head: list[Paragraph], glosses: bool, ledger: Ledger) -> list[Paragraph]:
    """`head` where no gloss follows it; else its blanks."""
    if not glosses:
        return head
    ledger.drop(head[0].line, "notes")
    return head[1:]


def _drop(held: list[Paragraph], reason: str, ledger: Ledger) -> None:
    for paragraph in held:
        if paragraph.line.text:
            ledger.drop(paragraph.line, reason)
