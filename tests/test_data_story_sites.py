"""Sites where authors publish: their headers and notes go with a reason, the prose stays.

Inputs of our own making in the form of each site's exports: .epub, .html and .txt.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from data_samples import write_epub
from two_chapters import ER, ONE, TWO, YI, cleaned, holds, page, paragraphs, text

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


def test_a_long_prologue_about_a_writer_is_no_preface(tmp_path: Path) -> None:
    rows = ["出版社的人来了，要看我的作品。", "人物太少，主题太暗，他这样想。", *YI]
    made = text(tmp_path / "a.txt", "\n".join([*rows, "第一章 雪", *ER]))
    assert cleaned(made)[0] == [*rows, *ER]
