"""What collections put round a book goes with a reason of its own, and all of the prose stays.

Inputs of our own making in the form of each site's exports: .epub, .html and .txt.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from pathlib import Path

import pytest
from data_samples import SHARED, novel, write_epub

from styledial.data.cleaning.ledger import Drop, Ledger
from styledial.data.reading.read import Part, read

_EN = (
    "The rain came down upon the slates of the old mill, and nobody in the village slept.",
    "“You will not go,” said Martha, and she put the lamp upon the table beside his face.",
    "He went all the same, along the wet lane and over the stile, until the lights were lost.",
    "When he came to the bridge there was a man on it, who looked down into the water.",
)
ONE, TWO = ([f"{row[:-1]} ({k}-{i})." for i, row in enumerate(_EN * 3)] for k in ("one", "two"))
_ZH = [row.strip("　") for row in novel(3, 2, 12).split("\n") if row and not row.startswith("第")]
YI, ER = _ZH[:12], _ZH[12:]


def paragraphs(rows: list[str]) -> str:
    return "".join(f"<p>{row}</p>\n" for row in rows)


def cleaned(path: Path) -> tuple[list[str], list[str | None], Counter[str]]:
    """(rows of prose, chapters, drops by reason)."""
    drops: list[Drop] = []
    _, stream = read(path, Ledger(listed=drops.append), to_simplified=False)
    pieces = [part.piece for part in stream if isinstance(part, Part)]
    rows = [row for piece in pieces for row in piece.text.split("\n") if row]
    chapters = list({piece.ordinal: piece.chapter for piece in pieces}.values())
    return rows, chapters, Counter(drop.reason for drop in drops)


def holds(path: Path, wanted: list[str], chapters: list[str | None], reasons: set[str]) -> None:
    found = cleaned(path)
    assert found[0] == wanted
    assert found[1] == chapters
    assert reasons <= set(found[2])


def page(path: Path, body: str) -> Path:
    path.write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    return path


def text(path: Path, body: str) -> Path:
    path.write_text(body, encoding="utf-8")
    return path


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


RR_NOTE = (
    '<div class="portlet author-note-portlet"><div><span>A note from Quill</span></div><div '
    'class="portlet-body author-note"><p>Check my Patreon for five advance chapters.</p></div></div>'
)
STOLEN = """
This story has been stolen from Royal Road. If you read it on Amazon, please report it
Unauthorized usage: this tale is on Amazon without the author's consent. Report any sightings.
This book was originally published on Royal Road. Check it out there for the real experience.
Love this story? Find the genuine version on the author's preferred platform.
Reading on this site? This novel is published elsewhere. Support the author by seeking it out.
The tale has been illicitly lifted; should you spot it on Amazon, report the violation.
""".strip().split("\n")


def royal_road(number: int, rows: list[str]) -> str:
    hidden = paragraphs(rows[:4]) + f"<p>{STOLEN[number]}</p>" + paragraphs(rows[4:])
    return (
        f"<h1>Chapter {number} - Rain</h1>{RR_NOTE}<div>{hidden}</div>{RR_NOTE}"
        "<p>Support the author by leaving a review or rating on Royal Road.</p>"
    )


def test_royal_road(tmp_path: Path) -> None:
    titles: list[str | None] = ["Chapter 1 - Rain", "Chapter 2 - Rain"]
    body = royal_road(1, ONE) + royal_road(2, TWO)
    holds(page(tmp_path / "a.html", body), ONE + TWO, titles, {"author's note", "notice"})
    mixed = [row for pair in zip(ONE, STOLEN * 2, strict=True) for row in pair]
    plain = [
        "Chapter 1 - Rain",
        *mixed,
        "A note from Quill",
        "Patreon is ahead.",
        "Chapter 2 - Rain",
    ]
    plain += [
        "Author's Note: sorry, next chapter tomorrow.",
        *TWO,
        "Please leave a review or follow!",
    ]
    made = text(tmp_path / "a.txt", "\n\n".join(plain))
    holds(made, ONE + TWO, titles, {"author's note", "notice"})


@pytest.mark.parametrize(
    "row",
    [
        "He ordered the book on Amazon to support the author.",
        "“If you read this story on Amazon, report it,” said Martha.",
        "The original story was read to the children, and then they slept.",
        "A note from Martha lay upon the table, and he read it twice before he sat down.",
    ],
)
def test_prose_that_speaks_of_books_stays(tmp_path: Path, row: str) -> None:
    made = text(tmp_path / "a.txt", "\n\n".join(["Chapter 1", *ONE, row, *TWO]))
    assert cleaned(made)[0] == [*ONE, row, *TWO]


PREFACE = (
    '<h2>Preface</h2><p class="message"><b>The Mill</b><br/>Posted originally on the Archive of Our '
    "Own at http://archiveofourown.org/works/1.</p><dl><dt>Rating:</dt><dd>General Audiences</dd>"
    "<dt>Fandom:</dt><dd>Mills</dd><dt>Additional Tags:</dt><dd>Rain, Rivers</dd><dt>Stats:</dt>"
    "<dd>Published: 2020-01-01 Words: 1,234 Chapters: 2/2</dd></dl><h1>The Mill</h1>"
    '<div class="byline">by someone</div><p>Notes</p><blockquote><p>For a friend.</p></blockquote>'
)


def archive(number: int, rows: list[str]) -> str:
    def note(title: str) -> str:
        return f"<p>{title}</p><blockquote><p>Sorry for the wait.</p><p>See you.</p></blockquote>"

    return (
        f"<h2>Chapter {number}: Rain</h2>{note('Chapter Summary')}{note('Chapter Notes')}"
        f"<div>{paragraphs(rows)}</div><div>{note('Chapter End Notes')}</div>"
    )


def test_the_archive_of_our_own(tmp_path: Path) -> None:
    """A chapter's notes took the whole chapter with them where no blank line ended them."""
    body = PREFACE + archive(1, ONE) + archive(2, TWO) + "<h2>Afterword</h2><p>Please drop by the "
    body += "Archive and comment to let the creator know if you enjoyed their work!</p>"
    titles: list[str | None] = ["Chapter 1: Rain", "Chapter 2: Rain"]
    reasons = {"header", "title page", "author's note"}
    holds(page(tmp_path / "a.html", body), ONE + TWO, titles, reasons)
    write_epub(tmp_path / "a.epub", {"p.xhtml": PREFACE, "1.xhtml": archive(1, ONE)})
    holds(tmp_path / "a.epub", ONE, titles[:1], reasons)
    single = PREFACE + "<h2>The Mill</h2>" + paragraphs(ONE)
    holds(page(tmp_path / "b.html", single), ONE, ["The Mill"], reasons)
    plain = PREFACE + paragraphs(ONE)
    lines = [re.sub("<[^>]+>", "", row) for row in re.split("</(?:p|h[12]|dd|div)>|<br/>", plain)]
    made = text(tmp_path / "a.txt", "\n".join(row.strip() for row in lines if row.strip()))
    holds(made, ONE, [None], reasons)


def test_jinjiang(tmp_path: Path) -> None:
    head = "《夜渡》作者：小舟\n\n文案：\n一个人过河的故事。\n内容标签： 江湖\n搜索关键字：主角：陆大川 ┃ 配角：老道\n"
    head += "一句话简介：过河\n立意：好好生活\n\n==================\n\n"
    note = "作者有话要说：  今天短小\n感谢在2020-03-01~2020-03-02期间为我投出霸王票的小天使哦~\n"
    note += "感谢灌溉营养液的小天使：青山 20瓶；小桥 5瓶；\n非常感谢大家对我的支持！\n"
    body = head + "☆、第一章\n\n" + "\n".join(YI) + f"\n\n{note}\n☆、第二章\n\n" + "\n".join(ER)
    made = text(tmp_path / "a.txt", body + "\n\n作者有话要说：完结啦，撒花\n")
    holds(made, YI + ER, ["第一章", "第二章"], {"header", "author's note"})


def test_qidian(tmp_path: Path) -> None:
    head = "夜渡\n作者：小舟\n分类：武侠仙侠\n状态：连载中\n最后更新：2020-01-01\n内容简介：\n且看他如何渡过。\n\n"
    one = "第一卷 夜 第1章 雪\n更新时间2012-3-4 12:33:44  字数：3021\n" + "\n".join(YI)
    two = "（本章完）\nps.新书上传，求推荐票，求收藏。\n第2章 月（第二更，求月票）\n" + "\n".join(
        ER
    )
    last = "<a href=http://www.qidian.com>起点中文网www.qidian.com欢迎广大书友光临阅读！</a>\n上架感言\n"
    last += "各位书友，本书今天上架了，求首订求月票。\n写到现在，感谢编辑，感谢每一位读者。\n"
    made = text(tmp_path / "a.txt", head + "\n".join([one, two, last]))
    reasons = {"header", "stamp", "notice", "advertisement", "author's note"}
    holds(made, YI + ER, ["第一卷 夜 第1章 雪", "第2章 月"], reasons)


FICBOOK = (
    "Переправа\nhttps://ficbook.net/readfic/1\n\nАвтор: Лодочник\nФэндом: Ориджиналы\nПэйринг и "
    "персонажи: ОМП/ОЖП\nРейтинг: PG-13\nРазмер: Миди\nКол-во частей: 2\nСтатус: закончен\n\nОписание:\n"
    "Он переправляет людей.\n\nПримечания автора:\nЭто первая работа.\n\nПубликация на других "
    "ресурсах:\nУточнять у автора\n\n"
)
SAMLIB = (
    "Иванов Иван\nПереправа\nСамиздат: [Регистрация] [Найти]\nОставить комментарий\n© Copyright Иванов "
    "Иван (i@mail.ru)\nРазмещен: 01/02/2015, изменен: 03/04/2016. 500k.\nРоман: Фантастика\n"
    "Скачать FB2\nАннотация:\nОн переправляет людей.\n\n"
)
VIETNAMESE = (
    "Bến Đò\nTác giả: Tiểu Chu\nThể loại: Hiện đại\nEdit: Mèo Lười\nBeta: cún con\nNguồn: wattpad\n"
    "Văn án:\nMột người đi tìm tấm hải đồ.\n\n"
)
_RU = [f"Дождь шёл с утра, и на переправе не было ни души в тот {n} час." for n in range(24)]
_VI = [f"Mưa rơi từ sáng, và không một ai đến bến đò vào giờ thứ {n} hôm đó." for n in range(24)]


@pytest.mark.parametrize(
    ("head", "word", "rows", "above", "below"),
    [
        (FICBOOK, "Глава", _RU, "", "Примечания:\nСпасибо за отзывы!"),
        (SAMLIB, "Глава", _RU, "", "Оставить комментарий\nСвязаться с программистом сайта."),
        (VIETNAMESE, "Chương", _VI, "Edit & Beta: Mèo Lười\nNguồn: wattpad", "Dịch: Tiểu Vũ"),
        ("", "Chương", _VI, "Edit: Mèo Lười\nBeta: Cún", "Dịch: Tiểu Vũ"),
    ],
    ids=["ficbook", "samlib", "Vietnamese", "Vietnamese, no header"],
)
def test_sites_in_russian_and_vietnamese(
    tmp_path: Path, head: str, word: str, rows: list[str], above: str, below: str
) -> None:
    """Without a header the first chapter was taken for one, up to the last line of its credits."""
    one, two = "\n".join(rows[:12]), "\n".join(rows[12:])
    body = f"{head}{word} 1\n{above}\n{one}\n\n{below}\n\n{word} 2\n{two}\n\n{below}"
    holds(text(tmp_path / "a.txt", body), rows, [f"{word} 1", f"{word} 2"], {"title"})
    holds(text(tmp_path / "b.txt", head + "\n".join(rows)), rows, [None], set())


@pytest.mark.parametrize(
    "below",
    ["Примечания:\nОбъект опасен.\nКлетка стоит во дворе.", "Dịch: Đầu giường ánh trăng rọi"],
)
def test_a_document_and_a_verse_that_end_a_chapter_stay(tmp_path: Path, below: str) -> None:
    body = "Глава 1\n" + "\n".join(_RU) + "\n" + below
    assert cleaned(text(tmp_path / "a.txt", body))[0] == [*_RU, *below.split("\n")]


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        ("夜渡\n作者：小舟\n分类：武侠\n状态：连载中\n\n", ""),
        ("", "状态：虚弱\n类型：人族\n简介：一个船夫。\n"),
    ],
    ids=["below the labels", "round a page of labels"],
)
def test_a_prologue_beside_labels_stays(tmp_path: Path, head: str, kept: str) -> None:
    """Up to 2,000 characters between a book's labels and its first title went with them."""
    prologue = "\n".join(["他睁开眼。", "“这是什么？”他问。", kept + "雪还在下。"])
    body = head + prologue + "\n\n第一章\n" + "\n".join(YI) + "\n第二章\n" + "\n".join(ER)
    assert cleaned(text(tmp_path / "a.txt", body))[0] == [*prologue.split("\n"), *YI, *ER]


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


def test_a_long_prologue_about_a_writer_is_no_preface(tmp_path: Path) -> None:
    rows = ["出版社的人来了，要看我的作品。", "人物太少，主题太暗，他这样想。", *YI]
    made = text(tmp_path / "a.txt", "\n".join([*rows, "第一章 雪", *ER]))
    assert cleaned(made)[0] == [*rows, *ER]
