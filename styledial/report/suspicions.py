"""What may have gone wrong in the reading of a book, each with the setting that overrules it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from styledial.data.cleaning.language import UNKNOWN, find_language
from styledial.data.store import Book

_LONG_BOOK = 20_000  # characters that a book without chapters may have
_ENORMOUS = 60_000  # characters of a chapter; novels have 2,000 to 20,000
_TINY = 60  # characters: the median chapter is shorter where titles were found in prose
_MUCH = 0.1  # of what was read, dropped as anything but layout and copies
_MINOR = 0.15  # of the passages, in another language
_JUDGED = 40  # passages of a chapter at most, by which its language is told
_EXPECTED = ("layout", "duplicate", "title", "data.drop")


class Finding(NamedTuple):
    """What is odd, and what the user can do, in both languages."""

    what: tuple[str, str]
    remedy: tuple[str, str]


@dataclass
class Chapter:
    """A chapter as passages come; `place` is its book and title."""

    place: tuple[str, str | None]
    chars: int = 0
    heldout: int = 0
    languages: Counter[str] = field(default_factory=Counter)

    @property
    def title(self) -> str | None:
        """Its title in the book; None for text without one."""
        return self.place[1]

    def add(self, text: str, split: str) -> None:
        """Count a passage of it, which is on side `split`."""
        self.chars += len(text)
        self.heldout += len(text) * (split == "heldout")
        if self.languages.total() < _JUDGED and len(text) >= 200:
            self.languages[find_language([text]).code] += 1


def findings(book: Book, chapters: Sequence[Chapter]) -> list[Finding]:
    """What a reader should look at; empty where nothing is odd."""
    if not book.kept and book.pieces:  # a copy of another file
        return []
    if not book.kept:
        return [Finding((book.reason, book.reason), _remedy_of_refusal(book.reason))]
    found = [_of_chapters(book, chapters), _of_drops(book), _of_language(chapters), _of_bytes(book)]
    return [finding for finding in found if finding]


def _remedy_of_refusal(reason: str) -> tuple[str, str]:
    if "encoding" in reason or "编码" in reason:
        return (
            "If you know the encoding: `data.encoding: [FILE=NAME]`.",
            "若知道编码，可写 `data.encoding: [文件=编码]`。",
        )
    return ("Remove it, or do what the sentence says.", "请移走该文件，或按提示处理。")


def _of_chapters(book: Book, chapters: Sequence[Chapter]) -> Finding | None:
    titled = [chapter for chapter in chapters if chapter.title is not None]
    if not titled and book.chars_out - book.talk >= _LONG_BOOK:
        return Finding(
            ("No chapters were found.", "没有找到章节。"),
            (
                "Fine for a book without titles. Else put `# ` before each title and save the "
                "book as .md.",
                "若原书没有标题则无妨；否则请在每个标题前加「# 」，另存为 .md。",
            ),
        )
    longest = max(chapters, key=lambda chapter: chapter.chars, default=None)
    if longest and titled and longest.chars > _ENORMOUS:
        name = longest.title or "-"
        return Finding(
            (
                f"One chapter has {longest.chars:,} characters: {name}",
                f"有一章长达 {longest.chars:,} 字：{name}",
            ),
            (
                "Titles were probably missed in it: put `# ` before them and save the book as .md.",
                "其中的标题可能未被认出：请在标题前加「# 」，另存为 .md。",
            ),
        )
    sizes = sorted(chapter.chars for chapter in titled)
    if len(sizes) >= 5 and sizes[len(sizes) // 2] < _TINY:
        return Finding(
            ("Most chapters are a line or two.", "多数章节只有一两行。"),
            (
                "Prose was probably taken for titles: `data.keep` with a pattern of such lines.",
                "正文可能被当成了标题：请用 `data.keep` 写出这类行的正则表达式。",
            ),
        )
    return None


def _of_drops(book: Book) -> Finding | None:
    gone = sum(size for why, size in book.drops.items() if why not in _EXPECTED)
    if gone < 500 or gone < _MUCH * book.chars_in:
        return None
    share = gone / max(1, book.chars_in)
    return Finding(
        (f"{share:.0%} of its characters were dropped.", f"{share:.0%} 的字符被去掉。"),
        (
            "Look at the examples below; `data.keep` keeps lines that fit a pattern.",
            "请看下方示例；`data.keep` 可按正则表达式保留某些行。",
        ),
    )


def _of_language(chapters: Sequence[Chapter]) -> Finding | None:
    seen: Counter[str] = Counter()
    for chapter in chapters:
        seen.update(chapter.languages)
    del seen[UNKNOWN]
    ranked = seen.most_common(2)
    if len(ranked) < 2 or ranked[1][1] < 2 or ranked[1][1] < _MINOR * seen.total():
        return None
    listed = ", ".join(f"{code} {count / seen.total():.0%}" for code, count in ranked)
    return Finding(
        (f"It has several languages: {listed}.", f"含有多种语言：{listed}。"),
        (
            "Rules follow the language of its first lines: divide the file by language.",
            "清洗规则以开头的语言为准：请按语言拆分文件。",
        ),
    )


def _of_bytes(book: Book) -> Finding | None:
    if book.broken < 20 and "+" not in (book.encoding or ""):
        return None
    return Finding(
        (
            f"{book.broken:,} broken characters; read as {book.encoding}.",
            f"有 {book.broken:,} 个坏字符；按 {book.encoding} 读取。",
        ),
        (
            "If another encoding is right: `data.encoding: [FILE=NAME]`.",
            "若应为其他编码，请写 `data.encoding: [文件=编码]`。",
        ),
    )
