"""What authors and sites say to readers: at the ends of a chapter, and in chapters of its own.

A line goes where it stands at the head or the tail of a chapter and speaks of votes, updates or
other books, or is a site's (see site_ends); in the middle of a chapter such words are prose.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Iterable, Iterator

from styledial.data.cleaning.chapters import Paragraph
from styledial.data.cleaning.headings import is_authors_heading
from styledial.data.cleaning.ledger import Ledger
from styledial.data.cleaning.script import simplified
from styledial.data.cleaning.site_ends import line_at_end

_LONGEST_LINE = 300
_LONGEST_TAIL = 200  # paragraphs at the end of a chapter that may all be notes
_LONGEST_NOTE = 3000  # characters: more under such a title is a chapter after all
_WORDS = re.compile(
    "更新|月票|推荐票|收藏|订阅|打赏|书友|读者|新书|感言|加更|第?[一二三四五两]更|上架|本书|盟主|请假|码字|断更|存稿|"
    "书评|完本|完结|正版|各位|敬请期待|追读|下一本|更速度|QQ群|公众号|求票|感谢|抱歉|送上|奉上|下一章|还有一章|"
    "还有[一二两三]更|投一下|[二三]合一|预收|推荐(?:朋友|好友|基友)|大家.{0,4}支持|霸王票|营养液|地雷|小天使|撒花|卡文|见谅|早点睡|推荐一本|大家.{0,4}去看看"
)
# One of these has to be among what such a line says: a wall may hold lists for readers too.
_TO_READERS = re.compile(
    "月票|推荐票|打赏|书友|加更|[一二三四五两]更|码字|断更|存稿|追读|求|霸王票|营养液|完本|感言|卡文|书评|"
    "正版|公众号|QQ群|支持|盟主|[二三]合一|预收|大家|各位|今天|今日|今晚|明天|昨天|晚上|更新[。！!，,~～晚慢]|期待|小天使|撒花|请假"
)
_LATIN_WORDS = re.compile(
    r"\bRoyal ?Road\b|\bratings?\b|"
    r"\bPatreon\b|\bDiscord\b|\b[Rr]eviews?\b|\bcomments?\b|\b[Uu]pdates?\b|\b[Ff]ollow\b|"
    r"\b[Ff]avou?rites?\b|\b[Rr]eaders?\b|\b[Tt]hank(?:s| you)\b|\bnext chapter\b"
)
# A part of each of these: it is looked for before the pattern is, which takes fifty times as
# long, for every word of English begins like one of them.
_LATIN_PARTS = (
    "Royal", "rating", "Patreon", "Discord", "eview", "comment", "pdate", "ollow", "avo", "eader",
    "hank", "next chapter",
)  # fmt: skip
# Under a heading of notes only: a story has readers and chapters too.
_RUSSIAN_WORDS = re.compile(
    r"\b(?:лайк|отзыв|коммент|читател|прод[ауы]\b|глав[аыуе]\b|бет[аеуы]\b|спасибо|ПБ\b|фанфик|фик\b|"
    r"автор|обновлени|подпис)",
    re.I,
)
# Courtesies: a letter, and a speech in a story, has two of them.
_COURTESIES = {
    "感谢", "抱歉", "各位", "见谅", "送上", "奉上", "请假", "本书", "读者", "早点睡", "Thanks",
    "thanks", "Thank you", "thank you", "Reader", "Readers", "reader", "readers",
}  # fmt: skip
# What stories of old have: the watches of a night (三更), the head of a league (盟主).
_WATCH = re.compile("[一二三四五两]更")
_HANDED_IN = re.compile("[一二三四五两]更[，,]?(?:已经?)?(?:送上|奉上|完毕)")
_POSTSCRIPT = re.compile(r"[（(\[【*]*(?:p\.?\s?s\.?\s?\d?\s*[:：]|p\.s\.\s)", re.I)
_MARK = re.compile(
    r"[（(\[【*]*(?:作者有话|(?:作者的话|(?:作者)?题外话)\s*[】)）]?\s*[:：]|"
    r"作话\s*[:：](?=.)|A/N\b|(?-i:AN)\s?:|Author.?s? Note|\(A/N)",
    re.I,
)
# What is under such a line in a chapter is the author's too, to the end of the chapter.
_SOMEBODY = r"(?!(?:the|an?|his|her|my|their|our|its) )[^\s.,;:!?]{1,30}(?: [^\s.,;:!?]{1,20})?"
_HEADS = re.compile(
    rf"作话\s*[:：]|作者有话要?说\s*[:：]?.*|A note from {_SOMEBODY}|Author.?s Notes?\s*:?|"
    r"[【（(]?(?:作者的话|作者题外话|題外話|题外话)[】）)]?\s*[:：]|"
    r"Примечани[ея](?: автора| к (?:части|главе))?\s*:|"
    r"[（(【［]\s*(?:[前後后][書书]き|まえがき|あとがき)\s*[）)】］]|[前後后][書书]き\s*[:：]",
    re.I,
)
_RULE = re.compile(r"[-=*~_—–※☆★◇◆○●#＊·•\s]{1,80}")  # between a chapter and a note
_SURE = re.compile("作者有话要?说")  # no story has it: what is under it needs no other word
_LONGEST_SURE = 600  # characters: more is a chapter whose note stands above it
# May head a letter or a document in a story.
_MAY_BE_OF_A_STORY = re.compile(r"A note from |Примечани[ея]\s*:", re.I)
_SAID_IN_RUSSIAN = re.compile(r"^[—–-]\s?[А-ЯЁ]|\b(?:[Оо]на?|[Ее]го|[Сс]казала?|[Сс]просила?)\b")
_SAID_IN_ENGLISH = re.compile(r"\b(?:[Hh]e|[Ss]he|his|her|said|wrote)\b")
_SAID = re.compile('[道说說][：，]?[“「]|^[“「『"]')
# In a note under its heading: paragraphs in a row that say nothing to readers, and the length of
# such a one. More of them, or longer ones, are prose again.
_FEW_ASIDES = 3
_LONGEST_ASIDE = 100


def drop_authors_notes(
    paragraphs: Iterable[Paragraph], ledger: Ledger, language: str = ""
) -> Iterator[Paragraph]:
    """Prose without the author's asides at either end of a chapter, and without such chapters."""
    for chapter, group in itertools.groupby(paragraphs, key=lambda paragraph: paragraph.chapter):
        if is_authors_heading(chapter or ""):
            yield from _judged(list(group), True, ledger)
        else:
            yield from _of_chapter(group, ledger, language)


def _of_chapter(group: Iterator[Paragraph], ledger: Ledger, language: str) -> Iterator[Paragraph]:
    """A chapter without notes at its head and tail; between them no line is asked about."""
    held, first = _head(group, language)
    if first is None:
        yield from _judged(held, any(map(_heads_a_note, held)), ledger, language=language)
        return
    yield from _judged(held, False, ledger, language=language)
    tail = deque([first])
    above = len(first.line.text)
    for paragraph in group:
        if _heads_a_note(paragraph):
            notes = _notes_at_end(tail, language, above_heading=True)
            yield from tail
            yield from _judged([*notes, paragraph, *group], True, ledger, above, language)
            return
        tail.append(paragraph)
        above += len(paragraph.line.text)
        if len(tail) > _LONGEST_TAIL:
            yield tail.popleft()
    notes = _notes_at_end(tail, language)
    yield from tail
    yield from _judged(notes, False, ledger, language=language)


def _head(group: Iterator[Paragraph], language: str) -> tuple[list[Paragraph], Paragraph | None]:
    """(notes and blanks at the head of a chapter, the first paragraph behind them)."""
    held: list[Paragraph] = []
    under = False  # a line that heads a note: before a chapter, one paragraph belongs to it
    for paragraph in group:
        text = paragraph.line.text
        heads = _heads_a_note(paragraph)
        if not (heads or under or not text or _is_note(text) or line_at_end(text, True, language)):
            return held, paragraph
        held.append(paragraph)
        under = (heads and not _says_itself(text)) or (under and not text)
    return held, None


def _notes_at_end(
    tail: deque[Paragraph], language: str, above_heading: bool = False
) -> list[Paragraph]:
    """The notes, rules and blanks at the end of `tail`, taken out of it where notes are there."""
    notes: deque[Paragraph] = deque()
    found = int(above_heading)
    while tail:
        text = tail[-1].line.text
        note = bool(text) and (_is_note(text) or bool(line_at_end(text, language=language)))
        if not note and text and not _RULE.fullmatch(text):
            break
        found += note
        notes.appendleft(tail.pop())
    if not found:
        tail.extend(notes)
    return list(notes) if found else []


def _heads_a_note(paragraph: Paragraph) -> bool:
    return _HEADS.fullmatch(simplified(paragraph.line.text)) is not None


def _says_itself(text: str) -> bool:
    """Whether the line is a heading and its note: 作者有话说：中秋快乐！ Prose may follow it."""
    sure = _SURE.match(simplified(text))
    return sure is not None and bool(text[sure.end() :].strip(" \u3000:："))


def _is_note(text: str) -> bool:
    """Whether a line speaks to readers: by its mark and one such word, or by two of them."""
    if len(text) > _LONGEST_LINE:
        return False
    text = simplified(text)
    told = _tells(text)  # most paragraphs: the words aren't looked for in them
    if _MARK.match(text):
        return not told or bool(_words(text))
    if told:
        return False
    words = _words(text)
    if _POSTSCRIPT.match(text):
        return not words <= _COURTESIES
    return _says_enough(text, words) and _is_to_readers(text, words)


def _says_enough(text: str, words: set[str]) -> bool:
    """Whether two of the words, or three courtesies, are there, beside those that a story of old
    has in any case."""
    new = {word for word in words if word != "盟主" and not _WATCH.fullmatch(word)}
    if new <= _COURTESIES:
        return len(new) >= 3 or _HANDED_IN.search(text) is not None
    return len(words) >= 2


def _is_to_readers(text: str, words: set[str]) -> bool:
    """Whether words that authors say to readers are said to them; all of those in English are."""
    return _TO_READERS.search(text) is not None or any(word.isascii() for word in words)


def _tells(text: str) -> bool:
    if "他" in text or "她" in text or _SAID.search(text) is not None:
        return True
    return bool(_SAID_IN_ENGLISH.search(text) or _SAID_IN_RUSSIAN.search(text))


def _addresses(text: str) -> bool:
    """Whether a line under a heading of notes has a word that is said to readers."""
    return bool(_words(simplified(text))) or _RUSSIAN_WORDS.search(text) is not None


def _words(text: str) -> set[str]:
    """The words in a line that authors say to readers."""
    found = set(_WORDS.findall(text))
    if any(part in text for part in _LATIN_PARTS):
        found.update(_LATIN_WORDS.findall(text))
    return found


def _judged(
    held: list[Paragraph], headed: bool, ledger: Ledger, above: int = 0, language: str = ""
) -> Iterator[Paragraph]:
    """What stands at an end of its chapter, dropped as notes; `headed`: under an author's heading,
    so that it may also be of the story; `above`: characters of the chapter before it."""
    length = _length_of_note(held, above) if headed else len(held)
    for place, paragraph in enumerate(held):
        text = paragraph.line.text
        heads = _heads_a_note(paragraph) and not _MAY_BE_OF_A_STORY.match(text)
        if text and (place < length or heads or _is_note(text)):
            ledger.drop(paragraph.line, line_at_end(text, language=language) or "author's note")
        else:
            yield paragraph


def _length_of_note(held: list[Paragraph], above: int) -> int:
    """How many of the paragraphs are the note that one of them heads: prose may follow it, where
    two chapters were joined or a note stands in the middle of one."""
    if not _speaks(held, above):
        return 0
    if not any(map(_heads_a_note, held)):  # a chapter that is a note by its title
        return len(held)
    end, asides = 0, 0
    bare = ended = False  # below a heading without words of its own; below a note and a blank line
    for place, paragraph in enumerate(held):
        text = paragraph.line.text
        if not text and not bare:
            end, asides, ended = place, 0, True
        elif text and _heads_a_note(paragraph):
            end, asides, bare, ended = place + 1, 0, not _says_itself(text), False
        elif text and _addresses(text) and not _tells(text):
            end, asides, bare, ended = place + 1, 0, False, False
        elif text and (ended or asides == _FEW_ASIDES or not _is_aside(text)):
            return end
        elif text:
            asides += 1
            end, bare = (place + 1 if bare else end), False
    return len(held)


def _is_aside(text: str) -> bool:
    return len(text) <= _LONGEST_ASIDE and not _tells(text)


def _speaks(held: list[Paragraph], above: int) -> bool:
    """Whether the text under an author's heading speaks to readers, and doesn't tell a story."""
    rows = [simplified(p.line.text) for p in held]
    texts = [row for row in rows if row and not _HEADS.fullmatch(row)]
    told = sum(map(_tells, texts))
    said = sum(map(_addresses, texts))
    size = sum(map(len, texts))
    if size > _LONGEST_NOTE or told * 2 > len(texts):
        return False
    if any(map(_SURE.match, rows)) and size <= min(above, _LONGEST_SURE):
        return True
    named = any(_MAY_BE_OF_A_STORY.match(p.line.text) for p in held)
    return said * 3 >= max(1, len(texts)) or (len(texts) <= 2 and not named)
