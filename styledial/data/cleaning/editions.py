"""Headers and footers added by collections: Project Gutenberg, Aozora, Wikisource, AO3 ...

Works on the lines as they come, before anything else, as the wrappers lean on markers, blank
lines and order. A wrapper is recognised in the first lines of a book and by its own words; the
reasons that it gives are `header`, `licence`, `legend`, `colophon`, `contents`, `title page`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from styledial.data.cleaning.aozora import aozora, is_aozora
from styledial.data.cleaning.ledger import Ledger, Line

_HEAD = 600  # lines: no header is longer

# --- Project Gutenberg ---
_STARTS = re.compile(
    r"\W*(?:START OF (?:THE|THIS) PROJECT GUTENBERG|END\W*THE SMALL PRINT|"
    r"END OF THE SMALL PRINT).*",
    re.I,
)
_STOPS = re.compile(
    r"\W*(?:END OF (?:THE |THIS )?PROJECT GUTENBERG|END OF (?:THE |THIS )?PROJECT\W+GUTENBERG|"
    r"START: FULL LICENSE|THE FULL PROJECT GUTENBERG LICENSE|"
    r"(?:Ende|Fin|Fine|Slut) (?:dieses|du|de|del) Projekte?.? Gutenberg|End of (?:the "
    r")?Etext of).*",
    re.I,
)
_GUTENBERG = re.compile(r"Project\s+Gutenberg|gutenberg\.(?:org|net)", re.I)
# The words of its header and licence, for files whose markers were broken or cut off.
_LICENCE = re.compile(
    r"Project Gutenberg|gutenberg\.(?:org|net)|\b(?:e-?book|etext) is for the use of anyone|"
    r"no restrictions whatsoever|(?:Release|Posting) Date\s*:|Last Updated\s*:|Character "
    r"set encoding|"
    r"Updated editions will replace|General Terms of Use|501\(c\)\(3\)|LIMITED RIGHT OF "
    r"REPLACEMENT|"
    r"DISCLAIMER OF DAMAGES|INDEMNI(?:TY|FY)|electronic works?\b.{0,60}(?:terms|agree|trademark)|"
    r"Literary Archive Foundation|public domain.{0,40}(?:etext|eBook)|Plain Vanilla|SMALL PRINT",
    re.I,
)
_FIELD = re.compile(
    r"(?:Title|Author|Translator|Editor|Illustrator|Language|Release Date|Posting Date|Last "
    r"Updated|"
    r"Most recently updated|Credits|Produced by|Character set encoding|Original publication|"
    r"Edition)\s*:",
    re.I,
)
_CREDITS = re.compile(
    r"(?:Transcribed|E-?text prepared|Produced|Prepared|Scanned|Digiti[sz]ed|HTML version|"
    r"This (?:e-?text|e-?book) was "
    r"(?:produced|prepared|created|scanned)|Etext (?:prepared|scanned|produced)|"
    r"\[?Transcriber.s notes?)",
    re.I,
)
_CONTENTS = re.compile(r"\W*(?:table of )?contents\W*|\W*list of illustrations\W*", re.I)
_IMPRINT = re.compile(
    r"rights reserved|copyright|\b(?:re)?printed\b|\bedition\b|\bimpression\b|publish|\bpress\b|"
    r"\bLONDON\b|\bNEW YORK\b|\bBOSTON\b|\bauthor of\b|\billustrat|\btranslated\b|\bby\b|"
    r"\b1[5-9]\d\d\b",
    re.I,
)

_WIKISOURCE_END = re.compile(
    r"(?:#+\s*)?(?:About this digital edition|关于(?:本|此)(?:数字|电子)版本|關於(?:本|"
    r"此)(?:數位|電子)版本|"
    r"À propos de cette édition électronique|Über diese digitale Ausgabe|Об этом цифровом "
    r"издании)\s*|"
    r".*(?:e-?book|电子书|電子書|livre).{0,30}(?:comes from|来自|來自|"
    r"provient).{0,40}(?:Wikisource|维基文库|維基文庫).*",
    re.I,
)
_WIKISOURCE_LINE = re.compile(
    r".*(?:Retrieved from|Exported from|取自|检索自).{0,20}wikisource.*|"
    r".*(?:this work is in the|此作品|這部作品|本作品|这部作品).{0,30}(?:public domain|"
    r"公有领域|公有領域).*|"
    r"(?:Public ?domain){2}.*|维基文库，自由的图书馆|維基文庫，自由的圖書館|From Wikisource|"
    r"\[(?:编辑|編輯|edit)\]|"
    r"姊妹计划.*|姊妹計劃.*|Download(?:ed)? from Wikisource.*",
    re.I,
)

Step = Callable[[Iterable[Line], Ledger], Iterator[Line]]


def drop_wrappers(
    lines: Iterable[Line], sample: Sequence[Line], ledger: Ledger, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    """The lines without what the collection that they come from put round and into them."""
    head = "\n".join(line.text for line in sample[:_HEAD])
    if _GUTENBERG.search(head):
        return _gutenberg(lines, sample, ledger, is_title)
    if is_aozora(head):
        return aozora(lines, ledger)
    if "archiveofourown.org" in head or "Archive of Our Own" in head:
        return _ao3(lines, ledger, is_title)
    if re.search("wikisource|维基文库|維基文庫|About this digital edition", head, re.I):
        return _wikisource(lines, ledger)
    return iter(lines)


def _gutenberg(
    lines: Iterable[Line], sample: Sequence[Line], ledger: Ledger, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    """Between the markers, or the header's and the licence's own words, without the title page."""
    begin = _end_of_header(sample)
    inside, front = True, True
    page: list[Line] = []
    for place, line in enumerate(lines):
        text = line.text.strip()
        if place < begin:
            _drop(line, "licence" if place < begin - 1 else "header", ledger)
            continue
        if _STOPS.fullmatch(text) or (not front and _opens_licence(text)):
            inside = False
        elif _STARTS.fullmatch(text):
            yield from _front(page, ledger, is_title)
            inside, front, page = True, True, []
            _drop(line, "header", ledger)
            continue
        if not inside:
            _drop(line, "licence", ledger)
        elif not front:
            yield line
        else:
            page.append(line)
            if len(page) > _HEAD or _opens_book(page, is_title):
                yield from _front(page, ledger, is_title)
                front, page = False, []
    yield from _front(page, ledger, is_title)


def _end_of_header(sample: Sequence[Line]) -> int:
    """How many lines the header has: up to its last marker, else to the last of its words."""
    head = [line.text.strip() for line in sample[:_HEAD]]
    marks = [i for i, text in enumerate(head) if _STARTS.fullmatch(text)]
    if marks:
        return marks[-1] + 1
    last = 0
    for i, text in enumerate(head):
        if i - last > (40 if last else 20) or _STOPS.fullmatch(text):
            break
        if len(text) > 400:
            continue
        if _LICENCE.search(text) or _FIELD.match(text):
            last = i + 1
    while last and last < len(head) and head[last]:
        last += 1  # the rest of the block in which its last word stands
    return last


def _opens_licence(text: str) -> bool:
    """A line of the licence where its marker is missing, not a sentence that mentions it."""
    return bool(
        re.match(r"(?:Section \d\. .{0,60}|\W*Updated editions will replace .*)", text)
        and _LICENCE.search(text)
    )


def _opens_book(page: list[Line], is_title: Callable[[str], bool]) -> bool:
    """Whether the last lines of `page` are a paragraph of prose after a title, or long prose."""
    block = _blocks(page)[-1:]
    if not block or page[-1].text.strip():
        return False
    return _is_prose(block[0])


def _is_prose(block: list[Line]) -> bool:
    """Whether a block is a paragraph of sentences, and not a title page's or an imprint's."""
    text = " ".join(line.text.strip() for line in block)
    if _CREDITS.match(text) or _LICENCE.search(text):
        return False
    if len(re.findall("[\u3040-\u30ff\u3400-\u9fff]", text)) >= 40:
        return "。" in text
    if len(text) < 100 or not re.search("[.!?…:;,—][\"'”’»)_]*$", text):
        return False
    words = re.findall(r"[^\W\d_]+", text)
    small = sum(word[0].islower() for word in words)
    most = 4 if len(text) >= 200 else 2
    return small > 0.6 * len(words) and len(_IMPRINT.findall(text)) < most


def _front(page: list[Line], ledger: Ledger, is_title: Callable[[str], bool]) -> Iterator[Line]:
    """From the last titles before the prose on; credits, title page and contents are dropped."""
    blocks = _blocks(page)
    opening = next((i for i, block in enumerate(blocks) if _is_prose(block)), len(blocks))
    if opening == len(blocks):  # nothing that reads as prose: from the first title on, if any
        titles = [i for i, block in enumerate(blocks) if is_title(block[0].text)]
        opening = titles[0] if titles else 0
    first = opening
    while first and _heads(blocks[first - 1], is_title):
        first -= 1
    if first < opening - 3:  # a list of contents runs into the first title
        first = opening - 1
    contents = False
    for block in blocks[:first]:
        text = " ".join(line.text.strip() for line in block)
        contents = contents or bool(_CONTENTS.fullmatch(block[0].text.strip()))
        reason = "credits" if _CREDITS.match(text) else "contents" if contents else "title page"
        for line in block:
            _drop(line, reason, ledger)
    for block in blocks[first:]:
        if _CREDITS.match(block[0].text.strip()) and not _is_prose(block):
            for line in block:
                _drop(line, "credits", ledger)
            continue
        yield Line(block[0].number, "")
        yield from block


def _heads(block: list[Line], is_title: Callable[[str], bool]) -> bool:
    """Whether a block of one to three lines is a chapter's title or stands with one."""
    if len(block) > 3:
        return False
    return is_title(block[0].text) or (
        len(block) == 1
        and len(block[0].text.strip()) < 60
        and not _CONTENTS.fullmatch(block[0].text.strip())
        and not _IMPRINT.search(block[0].text)
    )


def _blocks(lines: Iterable[Line]) -> list[list[Line]]:
    """Lines between blank ones."""
    blocks: list[list[Line]] = [[]]
    for line in lines:
        if line.text.strip():
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


def _wikisource(lines: Iterable[Line], ledger: Ledger) -> Iterator[Line]:
    """Without its notices; what stands under `About this digital edition` goes to the end."""
    ended = False
    for line in lines:
        text = line.text.strip()
        ended = ended or _WIKISOURCE_END.fullmatch(text) is not None
        if ended:
            _drop(line, "colophon", ledger)
        elif _WIKISOURCE_LINE.fullmatch(text):
            _drop(line, "licence", ledger)
        else:
            yield line


_AO3_LABEL = re.compile(
    r"(?:Rating|Archive Warnings?|Categor(?:y|ies)|Fandoms?|Relationships?|Characters?|"
    r"Additional Tags|"
    r"Language|Stats|Published|Completed|Updated|Words|Chapters|Series|Collections?)\s*:.*",
    re.I,
)
_AO3_NOTES = re.compile(
    r"(?:#+\s*)?(?:(?:Chapter )?(?:Summary|Notes|End Notes)|Notes:|Summary:)\s*", re.I
)
_AO3_LINE = re.compile(
    r"Posted originally on the Archive.*|.*archiveofourown\.org.*|Chapter Text|"
    r"(?:\(?See the end of the (?:chapter|work) for.*)|Please drop by the Archive.*|"
    r"Afterword|Preface",
    re.I,
)


def _ao3(lines: Iterable[Line], ledger: Ledger, is_title: Callable[[str], bool]) -> Iterator[Line]:
    """Without the header of labels, summaries and notes (each the paragraph under its heading)."""
    header, notes, seen = True, False, False
    for place, line in enumerate(lines):
        text = line.text.strip()
        if header and place < 200 and not is_title(text) and not _AO3_NOTES.fullmatch(text):
            header = not re.match(r"(?:Stats|Words|Chapters)\s*:|.*\bWords: [\d,]+", text)
            _drop(line, "header", ledger)
            continue
        header = False
        if _AO3_NOTES.fullmatch(text):
            notes, seen = True, False
            _drop(line, "author's note", ledger)
        elif _AO3_LINE.fullmatch(text) or (_AO3_LABEL.fullmatch(text) and place < 200):
            notes = False
            _drop(line, "header", ledger)
        elif notes and (not text or not is_title(text)) and not (seen and not text):
            seen = seen or bool(text)
            _drop(line, "author's note", ledger)
        else:
            notes = False
            yield line


def _drop(line: Line, reason: str, ledger: Ledger) -> None:
    if line.text.strip():
        ledger.drop(line, reason)
