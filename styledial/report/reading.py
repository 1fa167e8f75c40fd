"""What `styledial prepare --html` shows: per book its chapters, what was dropped, what is odd."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from styledial.data.cleaning.ledger import Drop
from styledial.data.manifest import reason_name, totals
from styledial.data.pipeline import Prepared
from styledial.data.store import Book
from styledial.files import write_text
from styledial.language import say
from styledial.report.page import render
from styledial.report.parts import Table
from styledial.report.suspicions import Chapter, Finding, findings

_EXAMPLES = 10  # of each reason in a book
_BOOKS = 200  # shown with chapters and examples; a page of thousands can't be read
_CHAPTERS = 400  # rows of one book
_LONGEST = 160  # characters of an example


@dataclass(frozen=True)
class Shown:
    """One file on the page."""

    book: Book
    chapters: Sequence[Chapter] = ()
    findings: Sequence[Finding] = ()
    dropped: Sequence[tuple[str, int, Sequence[Drop]]] = field(default_factory=tuple)

    @property
    def summary(self) -> str:
        """One line: how much was kept, in how many chapters, or why nothing."""
        if not self.book.kept:
            return say(f"not used: {self.book.reason}", f"未采用：{self.book.reason}")
        told = [say(f"{self.book.chars_out:,} characters", f"{self.book.chars_out:,} 字")]
        count = sum(chapter.title is not None for chapter in self.chapters)
        if count:
            told.append(say(f"{count:,} chapter{'s' * (count > 1)}", f"{count:,} 章"))
        if self.book.dialogues:
            told.append(
                say(f"{self.book.dialogues:,} dialogues", f"{self.book.dialogues:,} 组对话")
            )
        return " · ".join([*told, self.book.encoding or ""]).rstrip(" ·")

    @property
    def table(self) -> Table:
        """The chapters with their lengths and sides."""
        head = [say("chapter", "章节"), say("characters", "字数"), say("used for", "用途")]
        rows = [
            (chapter.title or say("(no title)", "（无标题）"), f"{chapter.chars:,}", _side(chapter))
            for chapter in self.chapters[:_CHAPTERS]
        ]
        return Table(head, rows, frozenset({1}), say("Chapters", "章节"))

    @property
    def more(self) -> int:
        """Chapters that the table leaves out."""
        return max(0, len(self.chapters) - _CHAPTERS)


def write_page(target: Path, folder: Path, prepared: Prepared) -> None:
    """Write the page of a folder that was prepared; its passages must have been read before.

    Reads the store once more: seconds for each hundred megabytes, memory of the page.
    """
    shown = [_shown(prepared, number, book) for number, book in enumerate(prepared.pool.books)]
    pooled = {book.file for book in prepared.pool.books}
    shown += [
        Shown(book, (), findings(book, ())) for book in prepared.books if book.file not in pooled
    ]
    shown.sort(key=lambda each: each.book.file)
    odd = [each for each in shown if each.findings]
    page = render(
        "reading.html",
        folder=folder.name or str(folder),
        facts=_facts(prepared, shown),
        sentence=totals(prepared),
        odd=_odd_table(odd),
        reasons=_reasons(prepared.books),
        books=shown[:_BOOKS],
        others=max(0, len(shown) - _BOOKS),
        notes=prepared.notes,
    )
    write_text(target, page)


def _shown(prepared: Prepared, number: int, book: Book) -> Shown:
    chapters: list[Chapter] = []
    if book.kept:
        for passage in prepared.passages_of(number):
            place = (passage.book, passage.chapter)
            if not chapters or chapters[-1].place != place:
                chapters.append(Chapter(place))
            chapters[-1].add(passage.text, passage.split)
    return Shown(book, chapters, findings(book, chapters), _dropped(prepared, book))


def _dropped(prepared: Prepared, book: Book) -> list[tuple[str, int, list[Drop]]]:
    """(reason, characters, examples), the largest first."""
    examples: dict[str, list[Drop]] = defaultdict(list)
    if book.key:
        for drop in prepared.store.drops(book.key):
            held = examples[drop.reason]
            if len(held) < _EXAMPLES and drop.text:
                held.append(drop._replace(text=_short(drop.text)))
    counted = sorted(book.drops.items(), key=lambda pair: -pair[1])
    return [
        (reason_name(why), size, examples[why])
        for why, size in counted
        if why != "layout" and size > 0
    ]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _side(chapter: Chapter) -> str:
    if not chapter.heldout:
        return say("training", "训练")
    if chapter.heldout < chapter.chars:
        return say("training, its end held out", "训练（末尾留出）")
    return say("held out", "留出")


def _facts(prepared: Prepared, shown: Sequence[Shown]) -> list[tuple[str, str]]:
    chapters = [chapter for each in shown for chapter in each.chapters]
    dropped = sum(n for book in prepared.books for why, n in book.drops.items() if why != "layout")
    odd = sum(bool(each.findings) for each in shown)
    held = sum(chapter.heldout > 0 for chapter in chapters)
    return [
        (say("Chapters", "章节"), f"{len(chapters):,}"),
        (say("Chapters held out", "留出的章节"), f"{held:,}"),
        (say("Characters dropped", "去掉的字符"), f"{dropped:,}"),
        (say("Files to look at", "需要查看的文件"), f"{odd:,}"),
    ]


def _odd_table(odd: Sequence[Shown]) -> Table | None:
    rows = [
        (each.book.file, say(*finding.what), say(*finding.remedy))
        for each in odd
        for finding in each.findings
    ]
    head = [say("file", "文件"), say("what", "情况"), say("what to do", "处理办法")]
    return Table(head, rows) if rows else None


def _reasons(books: Sequence[Book]) -> Table | None:
    total: dict[str, int] = defaultdict(int)
    files: dict[str, int] = defaultdict(int)
    for book in books:
        for why, size in book.drops.items():
            total[why] += size
            files[why] += 1
    rows = list(_rows(total, files))
    head = [say("reason", "原因"), say("characters", "字符"), say("files", "文件")]
    return Table(head, rows, frozenset({1, 2})) if rows else None


def _rows(total: dict[str, int], files: dict[str, int]) -> Iterator[tuple[str, str, str]]:
    for why in sorted(total, key=lambda why: -total[why]):
        if why != "layout" and total[why] > 0:
            yield reason_name(why), f"{total[why]:,}", f"{files[why]:,}"
