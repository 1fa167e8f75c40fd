"""EPUB: what is the book's own text comes out, a broken page costs that page only."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from data_samples import STORY, write_epub

from styledial.data.cleaning.ledger import Ledger
from styledial.data.reading.epub import epub_lines
from styledial.data.reading.site_page import site_page
from styledial.errors import DataError

BODY = "<h2>第一章</h2><p>话说青石镇上有一个打铁的汉子。</p>"
LINES = ["# 第一章", "话说青石镇上有一个打铁的汉子。"]


def read(path: Path) -> tuple[list[str], Ledger]:
    ledger = Ledger()
    return list(epub_lines(path, ledger)), ledger


@pytest.mark.parametrize(
    ("body", "lines", "reason"),
    [
        (BODY, LINES, ""),
        (
            "<h1><span>第一章</span><br/><span>入城</span></h1><p>雨。</p>",
            ["# 第一章 入城", "雨。"],
            "",
        ),
        ('<p class="chapter-title">夜雨</p><p>雨。</p>', ["# 夜雨", "雨。"], ""),
        ("<p># 号写在墙上。</p>", ["#号写在墙上。"], ""),
        ("<p>一<br/>二</p>", ["一", "二"], ""),
        (
            "<p><ruby>漢<rt>かん</rt>字<rp>（</rp><rt>じ</rt></ruby>を読む。</p>",
            ["漢字を読む。"],
            "",
        ),
        ('<p>雨<a epub:type="noteref" href="#n">[1]</a>。</p>', ["雨。"], "notes"),
        ('<p>雨<sup><a href="#n">12</a></sup>。</p>', ["雨。"], "notes"),
        ('<p>雨。</p><aside epub:type="footnote"><p>注：地名。</p></aside>', ["雨。"], "notes"),
        ('<p>雨。</p><div class="footnote"><p>注：地名。</p></div>', ["雨。"], "notes"),
        ('<p>雨。</p><p style="display: none">盗版</p>', ["雨。"], "hidden"),
        (
            "<style>.x{color:red;display:none}</style><p>雨。</p><p class='x'>盗版</p>",
            ["雨。"],
            "hidden",
        ),
        ('<p>见<a href="b.xhtml#x">第二章</a>。</p>', ["见第二章。"], ""),
        ("<p>她说<b>2<sup>th</sup></b>。</p>", ["她说2th。"], ""),
        ("<p>1912<sup><a href='#n3'>3</a></sup>年。</p>", ["1912年。"], "notes"),
        (
            "<p>E = mc<sup>2</sup>, 5 km<sup>2</sup>, May<sup>1</sup>.</p>",
            ["E = mc², 5 km², May."],
            "notes",
        ),
        ("<p>10<sup>2</sup>只船。</p>", ["10²只船。"], ""),
        ('<p>She said <a href="#q">a</a> word.</p>', ["She said a word."], ""),
        (
            '<p>渡<span epub:type="pagebreak" title="3">3</span>船。</p>',
            ["渡船。"],
            "page number",
        ),
        ('<p><span class="pagenum">[Pg 12]</span>渡船。</p>', ["渡船。"], "page number"),
        ('<div class="pagebreak"><p>渡船。</p></div>', ["渡船。"], ""),
        ('<h1><img src="1.png" alt="Chapter One"/></h1><p>雨。</p>', ["# Chapter One", "雨。"], ""),
        (
            "<style>@media amzn-mobi { p.x { display: none } } .y .x, .x:before { display: none }"
            "</style><p class='x'>雨。</p>",
            ["雨。"],
            "",
        ),
        (
            "".join(f'<p class="name">{who}</p><p>雨停了。</p>' for who in "甲乙丙"),
            ["甲", "雨停了。", "乙", "雨停了。", "丙", "雨停了。"],
            "",
        ),
        (
            "<h1>渡</h1>" + "".join(f'<p><a id="p{i}">雨停了。</a></p>' for i in range(5)),
            ["# 渡", *["雨停了。"] * 5],
            "",
        ),
        (
            '<h1>渡</h1><p>雨停了。</p><div epub:type="index"><p>甲</p></div>',
            ["# 渡", "雨停了。", "甲"],
            "",
        ),
    ],
)
def test_pages(tmp_path: Path, body: str, lines: list[str], reason: str) -> None:
    write_epub(tmp_path / "a.epub", {"a.xhtml": body})
    found, ledger = read(tmp_path / "a.epub")
    assert found == lines
    assert (reason in ledger.drops) == bool(reason)


@pytest.mark.parametrize("encoding", ["gbk", "utf-16", "utf-8-sig", "big5"])
def test_a_page_in_its_own_encoding(tmp_path: Path, encoding: str) -> None:
    page = f'<?xml version="1.0" encoding="{encoding}"?><html><body>{BODY}</body></html>'
    text = (
        page
        if encoding != "big5"
        else page.replace("话说", "話說")
        .replace("汉", "漢")
        .replace("青石镇", "青石鎮")
        .replace("铁", "鐵")
        .replace("个", "個")
    )
    write_epub(tmp_path / "a.epub", {"a.xhtml": text.encode(encoding)})
    assert read(tmp_path / "a.epub")[0][0] == "# 第一章"


def test_an_id_with_nav_in_it_is_a_chapter(tmp_path: Path) -> None:
    """The hand that wrote `navy.xhtml` lost its chapter to a rule for navigation pages."""
    item = '<item id="navy1" href="a.xhtml" media-type="application/xhtml+xml"/>'
    write_epub(tmp_path / "a.epub", {"a.xhtml": BODY}, item, '<itemref idref="navy1"/>')
    assert read(tmp_path / "a.epub")[0] == LINES


@pytest.mark.parametrize("href", ["gone.xhtml", "..\\x\\gone.xhtml"])
def test_a_missing_page_costs_that_page_only(tmp_path: Path, href: str) -> None:
    item = f'<item id="gone" href="{href}" media-type="application/xhtml+xml"/>'
    spine = '<itemref idref="gone"/><itemref idref="i0"/>'
    write_epub(tmp_path / "a.epub", {"a.xhtml": BODY}, item, spine)
    found, ledger = read(tmp_path / "a.epub")
    assert found == LINES
    assert ledger.drops["missing page"]


def test_a_backslash_in_a_path_is_a_slash(tmp_path: Path) -> None:
    item = '<item id="b" href="text\\a.xhtml" media-type="text/html"/>'
    write_epub(tmp_path / "a.epub", {"text/a.xhtml": BODY}, item, '<itemref idref="b"/>')
    assert read(tmp_path / "a.epub")[0] == LINES


def test_pages_that_are_not_prose_go(tmp_path: Path) -> None:
    copyright_page = "<p>ISBN 978-7-0000</p><p>定价：20元</p><p>某某出版社</p><p>版权所有</p>"
    pages = {"c.xhtml": copyright_page, "a.xhtml": BODY, "pop.xhtml": "<p>弹窗。</p>"}
    spine = '<itemref idref="i0"/><itemref idref="i1"/><itemref idref="i2" linear="no"/>'
    write_epub(tmp_path / "a.epub", pages, "", spine)
    found, ledger = read(tmp_path / "a.epub")
    assert found == LINES
    assert set(ledger.drops) == {"copyright page", "not in the reading order"}


def test_a_title_that_only_the_contents_have(tmp_path: Path) -> None:
    ncx = "<ncx><navPoint><navLabel><text>夜雨</text></navLabel><content src='a.xhtml'/></navPoint></ncx>"
    item = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    write_epub(
        tmp_path / "a.epub", {"a.xhtml": "<p>雨。</p>"}, item, "", {"OEBPS/toc.ncx": ncx.encode()}
    )
    assert read(tmp_path / "a.epub")[0] == ["# 夜雨", "雨。"]


def test_a_paragraph_cut_by_a_page_is_whole(tmp_path: Path) -> None:
    row = STORY.split("\n")[0]
    write_epub(
        tmp_path / "a.epub", {"a.xhtml": f"<p>{row[:25]}</p>", "b.xhtml": f"<p>{row[25:]}</p>"}
    )
    assert read(tmp_path / "a.epub")[0] == [row]


def test_a_protected_book_is_refused_by_name(tmp_path: Path) -> None:
    method = '<EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>'
    others = {"META-INF/encryption.xml": method.encode(), "META-INF/rights.xml": b"<r/>"}
    write_epub(tmp_path / "a.epub", {"a.xhtml": b"\x9a\x01" * 99}, others=others)
    with pytest.raises(DataError, match="Adobe ADEPT"):
        read(tmp_path / "a.epub")


def test_obfuscated_fonts_are_no_protection(tmp_path: Path) -> None:
    method = '<EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/>'
    write_epub(
        tmp_path / "a.epub", {"a.xhtml": BODY}, others={"META-INF/encryption.xml": method.encode()}
    )
    assert read(tmp_path / "a.epub")[0] == LINES


def test_contents_name_the_places_of_a_page(tmp_path: Path) -> None:
    """One page held all chapters without a heading, and its titles were lost; the paper book's
    page numbers in the same file are no titles."""
    nav = (
        b'<html><body><nav epub:type="toc"><a href="a.xhtml#c1">\xe6\xb8\xa1\xe8\x88\xb9</a>'
        b'<a href="a.xhtml#c2">\xe5\xa4\xa9\xe6\x96\x87\xe5\x8f\xb0</a></nav>'
        b'<nav epub:type="page-list"><a href="a.xhtml#p2">2</a></nav></body></html>'
    )
    item = '<item id="n" href="n.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
    body = (
        '<div id="c1"><p>渡船</p><p>雨停了。</p></div><p id="p2">女人收伞。</p><p id="c2">灯。</p>'
    )
    write_epub(tmp_path / "a.epub", {"a.xhtml": body}, item, others={"OEBPS/n.xhtml": nav})
    found, _ = read(tmp_path / "a.epub")
    assert found == ["# 渡船", "雨停了。", "女人收伞。", "# 天文台", "灯。"]


def test_a_page_that_the_spine_names_twice_is_read_once(tmp_path: Path) -> None:
    spine = '<itemref idref="i0"/>' * 2
    write_epub(tmp_path / "a.epub", {"a.xhtml": BODY}, spine=spine)
    assert read(tmp_path / "a.epub")[0] == LINES


def test_a_page_that_names_the_book_is_no_chapter(tmp_path: Path) -> None:
    pages = {
        "t.xhtml": "<h1>The Tide Ledger</h1><p>A novel</p><p>A. Writer</p>",
        "o.xhtml": "<h2>Also by A. Writer</h2><p>The Salt King</p><p>Moon over Tar</p>",
        "a.xhtml": BODY,
    }
    title = "</manifest><metadata><dc:title>The Tide Ledger</dc:title></metadata><manifest>"
    write_epub(tmp_path / "a.epub", pages, title)
    found, ledger = read(tmp_path / "a.epub")
    assert (found, ledger.drops.keys()) == (LINES, {"title page"})


@pytest.mark.parametrize(
    "page",
    [
        "<h2>About the Author</h2><p>Ann Writer lives in Leeds with two dogs.</p>",
        "<h2>Newsletter</h2><p>Sign up for news and get a free story.</p>",
        "<h1>制作信息</h1><p>书名：渡口</p><p>制作：某某</p>",
        "<h1>内容简介</h1><p>一个船夫的故事，一封旧信，一场雨。</p>",
        "<h2>Also by Ann Writer</h2><p>The Salt King</p><p>Moon over Tar</p>",
        "<h1>Autora</h1><p>ANA MAR (Burgos, 1950) es escritora. Vive en León.</p>",
        "<h1>Sinopsis</h1><p>Una mujer cruza un río y no vuelve.</p>",
        "<p>Título original: <i>The Ferry</i></p><p>Ana Mar, 2011</p>"
        "<p>Editor digital: Lino</p><p>ePub base r1.2</p>",
        '<h1>Notas</h1><p><sup>[1]</sup> Un barco. <a href="a.xhtml#r1">&lt;&lt;</a></p>'
        '<p><a href="a.xhtml#r2">2</a> Un río.</p>',
    ],
)
def test_pages_about_the_author_or_the_edition_go(tmp_path: Path, page: str) -> None:
    write_epub(tmp_path / "a.epub", {"a.xhtml": BODY, "z.xhtml": page})
    assert read(tmp_path / "a.epub")[0] == LINES


@pytest.mark.parametrize(
    "page",
    [
        "<h2>Newsletter</h2><p>“Did you read it?”</p><p>“No,” he said.</p><p>She sat.</p>",
        "<h2>The Author</h2><p>He wrote in 1950 (so he said) of a boat.</p><p>A.</p><p>B.</p>",
        "<h2>Notes</h2><p>He made two notes<sup>1</sup> that day.</p><p>He sat.</p><p>It rained.</p>",
    ],
)
def test_a_chapter_of_such_a_name_stays(tmp_path: Path, page: str) -> None:
    write_epub(tmp_path / "a.epub", {"a.xhtml": BODY, "z.xhtml": page})
    assert len(read(tmp_path / "a.epub")[0]) == 6


def test_a_book_of_pictures_is_refused_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    page = '<img src="1.jpg"/>'
    write_epub(tmp_path / "a.epub", {"a.xhtml": page}, others={"OEBPS/1.jpg": b"\xff\xd8"})
    with pytest.raises(DataError, match="holds pictures and no text"):
        read(tmp_path / "a.epub")


def test_an_encrypted_font_is_no_protection(tmp_path: Path) -> None:
    method = (
        b'<EncryptedData><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>'
        b'<CipherData><CipherReference URI="fonts/a.otf"/></CipherData></EncryptedData>'
    )
    write_epub(tmp_path / "a.epub", {"a.xhtml": BODY}, others={"META-INF/encryption.xml": method})
    assert read(tmp_path / "a.epub")[0] == LINES


def test_verse_under_the_books_title_is_no_title_page(tmp_path: Path) -> None:
    verse = "<h1>The Tide Ledger</h1><p>O ferry of the morning,</p><p>O lamp upon the stair,</p>"
    title = "</manifest><metadata><dc:title>The Tide Ledger</dc:title></metadata><manifest>"
    write_epub(tmp_path / "a.epub", {"a.xhtml": verse, "b.xhtml": BODY}, title)
    assert len(read(tmp_path / "a.epub")[0]) == 5


@pytest.mark.parametrize(
    "pages",
    [
        ["<h1>雪</h1><p>很久以前，山里住着一个人。</p><p>他没有名字。</p>"],
        ["<h1>一</h1><p>出版社来了电话。</p><p>字数要减，定价要改。</p><p>印刷厂等着。</p>"],
        ["<p>Yours with all my heart, Margaret</p>", "<p>It was raining again.</p>"],
        ["<p>Il est resté jusqu’à la fin, fatigué,</p>"],
        ["<p>A <![ stood on the wall.</p>"],
    ],
)
def test_pages_of_prose_stay_as_they_are(tmp_path: Path, pages: list[str]) -> None:
    """They were a title page, an imprint, one sentence and no page that can be read."""
    title = "</manifest><metadata><dc:title>雪</dc:title></metadata><manifest>"
    write_epub(tmp_path / "a.epub", {f"{i}.xhtml": page for i, page in enumerate(pages)}, title)
    found, ledger = read(tmp_path / "a.epub")
    said = re.findall("<(?:h1|p)>(.*?)</", "".join(pages))
    assert ([row.removeprefix("# ") for row in found], ledger.drops.total()) == (said, 0)


def test_a_word_with_an_accent_is_parted_from_the_next_page(tmp_path: Path) -> None:
    pages = {"a.xhtml": "<p>Il est resté là, fatigué</p>", "b.xhtml": "<p>et seul.</p>"}
    write_epub(tmp_path / "a.epub", pages)
    assert read(tmp_path / "a.epub")[0] == ["Il est resté là, fatigué et seul."]


@pytest.mark.parametrize("page", ["<pre>\n\n  verse</pre>", "<p>　　又一日。</p>"])
def test_an_indented_line_begins_a_paragraph_on_the_next_page(tmp_path: Path, page: str) -> None:
    said = "A line that goes on and on without an end"
    write_epub(tmp_path / "a.epub", {"a.xhtml": f"<p>{said}</p>", "b.xhtml": page})
    assert read(tmp_path / "a.epub")[0][0] == said


@pytest.mark.parametrize("part", ["<blockquote>", "<!--", "<p a='"])
def test_a_page_of_open_tags_is_read_at_once(part: str) -> None:
    """Each was looked for through the whole rest of the page: a minute for 100 KB."""
    begun = time.process_time()
    site_page(part * 20_000)
    assert time.process_time() - begun < 5
