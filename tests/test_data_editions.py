"""Standard Ebooks, Wikisource, Gutenberg: what they put round a book goes, the prose stays.

Inputs of our own making in the form of each collection's exports: .epub, .html and .txt.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest
from data_samples import SHARED, write_epub
from two_chapters import ONE, TWO, YI, cleaned, holds, page, paragraphs, text

IMPRINT = (
    "<p>This ebook is the product of many hours of work by volunteers for Standard Ebooks, made "
    "possible by the public domain.</p><p>It is based on a transcription from Project Gutenberg "
    "and on page scans from the Internet Archive.</p>"
)
COLOPHON = (
    "<p><i>The Mill</i> was published in 1890 by<br/>Ann Author.</p><p>This ebook was produced for"
    "<br/>Standard Ebooks<br/>by Some Body.</p><p>The cover page is adapted from a painting.</p>"
)
UNCOPYRIGHT = "<blockquote><p>May you do good.</p></blockquote><p>This page is in its place.</p>"


def standard_ebooks(types: str) -> dict[str, str]:
    def section(name: str, title: str, body: str) -> str:
        return f"<section {types.format(name)}><h2>{title}</h2>{body}</section>"

    return {
        "t.xhtml": f"<section {types.format('titlepage')}><h1>The Mill</h1><p>By Ann Author</p></section>",
        "i.xhtml": section("imprint", "Imprint", IMPRINT),
        "1.xhtml": section("chapter", "I", paragraphs(ONE)),
        "2.xhtml": section("chapter", "II", paragraphs(TWO)),
        "e.xhtml": section("endnotes", "Endnotes", "<ol><li>An editor says this.</li></ol>"),
        "c.xhtml": section("colophon", "Colophon", COLOPHON),
        "u.xhtml": section("copyright-page", "Uncopyright", UNCOPYRIGHT),
    }


def test_standard_ebooks(tmp_path: Path) -> None:
    """Without epub:type, and as one page, it was taken for Gutenberg's and lost all its prose."""
    write_epub(tmp_path / "typed.epub", standard_ebooks('epub:type="{}"'))
    holds(tmp_path / "typed.epub", ONE + TWO, ["I", "II"], {"copyright page", "notes"})
    write_epub(tmp_path / "bare.epub", standard_ebooks('id="{}"'))
    reasons = {"title page", "imprint", "colophon", "licence", "notes"}
    holds(tmp_path / "bare.epub", ONE + TWO, ["I", "II"], reasons)
    whole = page(tmp_path / "whole.html", "".join(standard_ebooks('id="{}"').values()))
    holds(whole, ONE + TWO, ["I", "II"], reasons)


ABOUT = (
    "<h1>About this digital edition</h1><p>This e-book comes from the online library Wikisource.</p>"
    "<p>We distribute our books for free.</p><ul><li>Somebody</li></ul>"
)


def test_wikisource_exports(tmp_path: Path) -> None:
    pages = {
        "t.xhtml": "<h1>The Mill</h1><p>Ann Author</p><p>Blackwood, London, 1890</p><p>Exported "
        "from Wikisource on May 1, 2023</p>",
        "1.xhtml": f"<h2>Chapter I</h2>{paragraphs(ONE)}",
        "2.xhtml": f"<h2>Chapter II</h2>{paragraphs(TWO)}",
        "z.xhtml": ABOUT,
    }
    reasons = {"title page", "licence", "colophon"}
    write_epub(tmp_path / "a.epub", pages)
    holds(tmp_path / "a.epub", ONE + TWO, ["Chapter I", "Chapter II"], reasons)
    plain = "\n\n".join(re.sub("<[^>]+>", "\n\n", body) for body in pages.values())
    holds(text(tmp_path / "a.txt", plain), ONE + TWO, ["Chapter I", "Chapter II"], reasons)


def test_wikisource_pages(tmp_path: Path) -> None:
    head = (
        '<h1>The Mill/Chapter 1</h1><div>From Wikisource</div><div><a href="#s">Jump to navigation'
    )
    head += (
        "</a></div><div><a>← The Mill</a> by Ann Author <br/>Chapter I <a>Chapter II →</a></div>"
    )
    tail = (
        "<p>This work is in the <b>public domain</b> in the United States.</p><div>Retrieved from "
    )
    tail += (
        '"https://en.wikisource.org/w/index.php?title=The_Mill"</div><div>Categories: 1890</div>'
    )
    made = page(tmp_path / "a.html", head + paragraphs(ONE) + tail)
    holds(made, ONE, ["The Mill/Chapter 1"], {"navigation", "licence"})
    rows = [
        "夜渡/第一章",
        "维基文库，自由的图书馆",
        "< 夜渡",
        "跳转到导航 跳转到搜索",
        "←卷首\t夜渡",
        "第一章",
    ]
    rows += [
        "作者：小舟",
        "第二章→",
        "[编辑]",
        *YI,
        "本作品在全世界都属于公有领域，因为作者逝世已久。",
    ]
    rows += ["取自“https://zh.wikisource.org/w/index.php?title=夜渡”", "分类：小说"]
    made = text(tmp_path / "b.txt", "\n".join(rows))
    holds(made, YI, ["第一章"], {"navigation", "licence", "title page"})


GUTENBERG = SHARED / "corpora" / "style_en" / "gutenberg"
_OF_AN_EDITION = re.compile(
    r"gutenberg|\be-?text|\be-?book|full license|transcribed|^\W*contents\W*$|footnotes?:|reprinted|"
    "longmans|paternoster",
    re.I,
)


def sentences(rows: list[str]) -> list[str]:
    """Their letters alone: quotation marks, dashes and spaces are each edition's own."""
    parts = re.split("[.?!]", " ".join(rows))
    return [text for part in parts if (text := re.sub("[^a-z]", "", part.lower()))]


def alike(one: list[str], other: list[str]) -> int:
    """Letters in common; sentence by sentence first, as all letters at once take minutes."""
    same = 0
    for _, a, b, c, d in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        left, right = "".join(one[a:b]), "".join(other[c:d])
        matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
        same += len(left) if left == right else sum(m.size for m in matcher.get_matching_blocks())
    return same


@pytest.mark.skipif(not GUTENBERG.is_dir(), reason="../shared/corpora/style_en is absent")
def test_three_layouts_of_gutenberg_are_one_text() -> None:
    """Chapter XV, of 69 characters, was no title; the page's front matter and notes stayed."""
    found = {name: cleaned(GUTENBERG / name) for name in ("3261.txt", "nwsnw10.txt", "3261-h.htm")}
    for name, (rows, chapters, _) in found.items():
        assert len(chapters) == 32, name
        assert all(title and title.startswith("CHAPTER ") for title in chapters), name
        assert [row for row in rows if _OF_AN_EDITION.search(row)] == [], name
        assert rows[0].startswith("Up at the League, says a friend"), name
        assert rows[-1].endswith("it may be called a vision rather than a dream."), name
    first, *others = (sentences(rows) for rows, _, _ in found.values())
    for other in others:
        same = alike(first, other)
        assert same >= 0.995 * max(sum(map(len, first)), sum(map(len, other)))


def test_a_page_of_gutenberg_that_opens_with_talk(tmp_path: Path) -> None:
    """Nothing of a chapter is a title page, however short its first lines are."""
    head = "The Project Gutenberg eBook, Mill. This eBook is for the use of anyone anywhere. " * 6
    talk = ["“Yes,” said he.", "“No.”", "“Why?”", "“Because.”", "“Well.”"]
    body = f"<h1>The Mill</h1><p>{head}</p><p>LONDON</p><p>1899</p><h2>CHAPTER I</h2>"
    body += paragraphs([*talk, *ONE]) + "<h2>CHAPTER II</h2>" + paragraphs(TWO)
    body += f"<h2>FOOTNOTES:</h2><p>The mill stood.</p><p>END OF THE PROJECT GUTENBERG</p><p>{head}"
    path = page(tmp_path / "mill.html", body)
    chapters: list[str | None] = ["CHAPTER I", "CHAPTER II"]
    holds(path, [*talk, *ONE, *TWO], chapters, {"footnote", "title page"})


@pytest.mark.parametrize(
    "row", ["Produced by a committee, the play failed.", "Release Date: never."]
)
def test_a_story_that_names_gutenberg_keeps_its_beginning(tmp_path: Path, row: str) -> None:
    rows = [*ONE[:5], row, "She had read it on Project Gutenberg.", *TWO]
    assert cleaned(text(tmp_path / "a.txt", "\n\n".join(rows)))[0] == rows
