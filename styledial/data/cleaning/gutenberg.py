"""Project Gutenberg's header, licence, title page, contents and credits, in all its layouts.

Its markers are used where they stand, and the licence's own words where they were cut off.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from styledial.data.cleaning.gutenberg_notes import heads_notes, without_notes
from styledial.data.cleaning.ledger import Ledger, Line

_HEAD = 600  # lines: no header is longer
_EPIGRAPH = 8  # blocks: no verse over a chapter is longer
_DIALOGUE = 4  # paragraphs in a row, two of them speech, that are prose however short they are
_A_PARAGRAPH = 160  # characters: no line that was broken at a width is as long

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
    r")?Etext of|This site is full of FREE ebooks).*",
    re.I,
)
_GUTENBERG = re.compile(
    r"Project\s+Gutenberg|gutenberg\.(?:org|net)|Distributed Proofreaders Canada|Faded Page", re.I
)
# The words of its header and licence, for files whose markers were broken or cut off.
_LICENCE = re.compile(
    r"Project Gutenberg|gutenberg\.(?:org|net)|\b(?:e-?book|etext) is for the use of anyone|"
    r"no restrictions whatsoever|(?:Release|Posting) Date\s*:|Last Updated\s*:|Character "
    r"set encoding|"
    r"Updated editions will replace|General Terms of Use|501\(c\)\(3\)|LIMITED RIGHT OF "
    r"REPLACEMENT|"
    r"DISCLAIMER OF DAMAGES|INDEMNI(?:TY|FY)|electronic works?\b.{0,60}(?:terms|agree|trademark)|"
    r"Literary Archive Foundation|public domain.{0,40}(?:etext|eBook)|Plain Vanilla|SMALL PRINT|"
    r"Distributed Proofreaders Canada|Faded Page|e-?book is made available at no cost|"
    r"^This e-?book was produced by|pgdpcanada|DOWNLOAD OR REDISTRIBUTE",
    re.I,
)
# What only its header and licence say; of the second kind it takes two, for a story may have one.
_HEADER = re.compile(
    r"(?:START|END) OF (?:THE|THIS) PROJECT GUTENBERG|\b(?:e-?book|etext) is for the use of "
    r"anyone|"
    r"no restrictions whatsoever|e-?book is made available at no cost|"
    r"Project Gutenberg'?s? (?:(?:e-?book|etext)(?:,| of)|license)|"
    r"Project Gutenberg Literary|Plain Vanilla|SMALL PRINT",
    re.I,
)
_OF_HEADER = re.compile(
    r"^\W*(?:(?:Release|Posting) Date\s*:|Produced by|Language\s*:|Credits\s*:|"
    r"(?:The )?Project Gutenberg'?s? (?:e-?book|etext))",
    re.I | re.M,
)
_FIELD = re.compile(
    r"_?(?:Title|Author|Translator|Editor|Illustrator|Language|Release Date|Posting Date|Last "
    r"Updated|"
    r"Most recently updated|Credits|Produced by|Character set encoding|Original publication|"
    r"Date of first publication|Date first posted|Date last updated|Place and edition.{0,40}|"
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
_NOTE_MARKS = re.compile(r"(?:\s?(?:\[[\w*]{1,4}\]|\{\d{1,3}\}|[*†‡]))+$")
_IMPRINT = re.compile(
    r"rights reserved|copyright|\b(?:re)?printed\b|\bedition\b|\bimpression\b|publish|\bpress\b|"
    r"\bLONDON\b|\bNEW YORK\b|\bBOSTON\b|\bauthor of\b|\billustrat|\btranslated\b|\bby\b|"
    r"\b1[5-9]\d\d\b",
    re.I,
)


def is_gutenberg(head: str) -> bool:
    """Whether the first lines have its name beside words of its header or licence."""
    if _GUTENBERG.search(head) is None:
        return False
    return _HEADER.search(head) is not None or len(set(_OF_HEADER.findall(head))) >= 2


def gutenberg(
    lines: Iterable[Line], sample: Sequence[Line], ledger: Ledger, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    """Between the markers, or the header's and the licence's own words, without the title page."""
    return without_notes(_book(lines, sample, ledger, is_title), ledger, is_title)


def _book(
    lines: Iterable[Line], sample: Sequence[Line], ledger: Ledger, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    begin, dense = _end_of_header(sample), _is_dense(sample)
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
            yield from _front(_blocks(page, dense), ledger, is_title)
            inside, front, page = True, True, []
            _drop(line, "header", ledger)
            continue
        if not inside:
            _drop(line, "licence", ledger)
        elif not front:
            yield line
        else:
            page.append(line)
            if len(page) > _HEAD or _opens_book(page, dense):
                yield from _front(_blocks(page, dense), ledger, is_title)
                front, page = False, []
    yield from _front(_blocks(page, dense), ledger, is_title)


def _is_dense(sample: Sequence[Line]) -> bool:
    """Whether each line is a paragraph, as those of a page of HTML are; a header in <pre> may
    stand before them."""
    rows = [line.text.strip() for line in sample[:_HEAD]]
    if all(rows):
        return True
    followed = [bool(b) for a, b in itertools.pairwise(rows) if len(a) > _A_PARAGRAPH]
    return len(followed) >= 5 and sum(followed) >= 0.8 * len(followed)


def _end_of_header(sample: Sequence[Line]) -> int:
    """How many lines the header has: up to its last marker, else to the last of its words."""
    head = [line.text.strip() for line in sample[:_HEAD]]
    marks = [i for i, text in enumerate(head) if _STARTS.fullmatch(text)]
    if marks:
        return marks[-1] + 1
    last, dense = 0, _is_dense(sample)
    for i, text in enumerate(head):
        if i - last > (40 if last else 20) or _STOPS.fullmatch(text):
            break
        if len(text) > 400 and not (dense and _HEADER.search(text)):
            continue
        if _LICENCE.search(text) or _FIELD.match(text):
            last = i + 1
    while last and "" in head and last < len(head) and head[last]:
        last += 1  # the rest of the block in which its last word stands
    return last


def _opens_licence(text: str) -> bool:
    """A line of the licence where its marker is missing, not a sentence that mentions it."""
    return bool(
        re.match(r"(?:Section \d\. .{0,60}|\W*Updated editions will replace .*)", text)
        and _LICENCE.search(text)
    )


def _opens_book(page: list[Line], dense: bool) -> bool:
    """Whether the last lines of `page` are a paragraph of prose after a title, or long prose."""
    if not dense and page[-1].text.strip():
        return False
    blocks = _blocks(page[-_DIALOGUE:] if dense else page, dense)
    return bool(blocks) and (_is_prose(blocks[-1]) or _is_dialogue(blocks[-_DIALOGUE:]))


def _is_prose(block: list[Line]) -> bool:
    """Whether a block is a paragraph of sentences, and not a title page's or an imprint's."""
    text = _NOTE_MARKS.sub("", " ".join(line.text.strip() for line in block))
    if _CREDITS.match(text) or _LICENCE.search(text):
        return False
    if len(re.findall("[\u3040-\u30ff\u3400-\u9fff]", text)) >= 40:
        return "。" in text
    if len(text) < 100 or not re.search("(?:[.!?…:;,—]|--)[\"'”’»)_]*$", text):
        return False
    words = re.findall(r"[^\W\d_]+", text)
    small = sum(word[0].islower() for word in words)
    most = 4 if len(text) >= 200 else 2
    return small > 0.6 * len(words) and len(_IMPRINT.findall(text)) < most


def _is_sentence(block: list[Line], is_title: Callable[[str], bool]) -> bool:
    """Whether a block, however short, is a sentence: `It rained.` before a long paragraph. Names
    on a title page have capitals, and who printed it is no story."""
    text = " ".join(line.text.strip() for line in block)
    words = re.findall(r"[^\W\d_]+", text)
    small = sum(word[0].islower() for word in words)
    ended = re.search("[.!?…][\"'”’»)_]*$", text)
    if not ended or len(words) < 2 or small < 0.5 * len(words) or is_title(block[0].text):
        return False
    return not any(found.search(text) for found in (_IMPRINT, _LICENCE)) and not (
        _CREDITS.match(text) or _CONTENTS.fullmatch(text)
    )


def _talks(blocks: list[list[Line]], place: int) -> bool:
    return _is_dialogue(blocks[place : place + _DIALOGUE])


def _is_dialogue(blocks: list[list[Line]]) -> bool:
    """Whether short paragraphs are a chapter that opens in dialogue."""
    texts = [" ".join(line.text.strip() for line in block) for block in blocks]
    spoken = sum(text[0] in "“\"«‘'" for text in texts)
    return (
        len(texts) == _DIALOGUE
        and spoken >= _DIALOGUE // 2
        and all(re.search("[.!?…—][\"'”’»_]*$", text) for text in texts)
        and not any(_IMPRINT.search(text) or _LICENCE.search(text) for text in texts)
    )


def _front(
    blocks: list[list[Line]], ledger: Ledger, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    """From the last titles before the prose on; credits, title page and contents are dropped."""
    prose = (i for i, block in enumerate(blocks) if _is_prose(block) or _talks(blocks, i))
    opening = next(prose, len(blocks))
    if opening == len(blocks):  # nothing that reads as prose: from the first title on, if any
        titles = [i for i, block in enumerate(blocks) if is_title(block[0].text)]
        opening = titles[0] if titles else 0
    while opening and _is_sentence(blocks[opening - 1], is_title):
        opening -= 1
    first = _title_above(blocks, opening, is_title)
    while first and _heads(blocks[first - 1], is_title):
        first -= 1
    if first < opening - 3:  # a list of contents runs into the first title
        titles = [i for i in range(first, opening) if is_title(blocks[i][0].text)]
        first = titles[-1] if titles else opening - 1
    contents = False
    for block in blocks[:first]:
        text = " ".join(line.text.strip() for line in block)
        contents = contents or bool(_CONTENTS.fullmatch(block[0].text.strip()))
        reason = "credits" if _CREDITS.match(text) else "contents" if contents else "title page"
        for line in block:
            _drop(line, reason, ledger)
    for block in blocks[first:]:
        head = block[0].text.strip()
        if _CREDITS.match(head) and not (heads_notes(head) or _is_prose(block)):
            for line in block:
                _drop(line, "credits", ledger)
            continue
        yield Line(block[0].number, "")
        yield from block
        yield Line(block[-1].number, "")


def _title_above(blocks: list[list[Line]], opening: int, is_title: Callable[[str], bool]) -> int:
    """The place of the title over `opening` where verse or a letter stands between the two."""
    for place in range(opening - 1, max(-1, opening - _EPIGRAPH), -1):
        block = blocks[place]
        text = " ".join(line.text.strip() for line in block)
        if len(block) <= 3 and is_title(block[0].text):
            return place
        if _CREDITS.match(text) or _CONTENTS.fullmatch(text) or _IMPRINT.search(text):
            break
    return opening


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


def _blocks(lines: Iterable[Line], dense: bool) -> list[list[Line]]:
    """Lines between blank ones; in a dense page each line by itself."""
    if dense:
        return [[line] for line in lines if line.text.strip()]
    blocks: list[list[Line]] = [[]]
    for line in lines:
        if line.text.strip():
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


def _drop(line: Line, reason: str, ledger: Ledger) -> None:
    if line.text.strip():
        ledger.drop(line, reason)
