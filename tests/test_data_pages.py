"""Pages of HTML as sites save them: the story stays to the letter, menus and comments go."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import pytest
from data_samples import STORY

from styledial.data.cleaning.clean import clean
from styledial.data.cleaning.ledger import Ledger
from styledial.data.reading.formats import format_lines, kind_of
from styledial.data.reading.site_page import site_page
from styledial.errors import DataError

ROWS = [
    "The rain had stopped before the ferry came in, and the women were folding umbrellas.",
    "“You are early,” said the harbour master, without looking up from his ledger.",
    "“I am never early,” she replied. “The sea is late.”",
    "By noon the fog had come back, and with it the smell of tar and oranges.",
    "Behind the customs shed two boys were throwing stones at a bottle.",
]
TELLS = "".join(f"<p>{row}</p>" for row in ROWS)
MENU = '<div class="navbar"><ul><li><a href="/">Home</a></li><li><a href="/in">Log in</a></li></ul></div>'
PAGER = '<p><a href="1">Previous Chapter</a> | <a href="3">Next Chapter</a></p>'
COMMENTS = '<div id="comments"><h3>Comments (1)</h3><p>Great chapter, thanks.</p></div>'
FOOT = "<footer><p>© 2021 Example Books.</p></footer>"


def read(tmp_path: Path, text: str, encoding: str = "utf-8") -> tuple[list[str], list[str | None]]:
    """(rows of prose, titles)."""
    path = tmp_path / "a.html"
    path.write_bytes(text.encode(encoding))
    pieces = list(clean(format_lines(path, "html", Ledger()), Ledger(), markdown=True))
    rows = [row for piece in pieces for row in piece.text.split("\n") if row]
    return rows, [piece.chapter for piece in pieces]


@pytest.mark.parametrize(
    "body",
    [
        f"{MENU}{PAGER}<h1>The Ferry</h1>{TELLS}{PAGER}{COMMENTS}{FOOT}",
        f"<h1>The Ferry</h1>{TELLS}<div class='sidebar'><h3>Popular</h3><p>The Salt King</p></div>",
        f'<form id="aspnetForm"><h1>The Ferry</h1>{TELLS}</form>',
        f'<div id="menu"><h1>The Ferry</h1>{TELLS}</div>',  # all of the text: no menu
        f"<h2><a href='#toc'>The Ferry</a></h2>{TELLS}",
        f"<h1>The Ferry</h1>{TELLS}<span class='num-comment'>3</span>",
        f"<h1>The Ferry</h1><div class='p-novel__text--preface'><p>Late again.</p></div>{TELLS}",
        f"<h1>The Ferry</h1><div class='end notes module'><p>Late again.</p></div>{TELLS}",
        "<h1>The Ferry</h1>" + "<br><br>".join(ROWS),
        "<pre>Chapter 1\n\n" + "\n\n".join(ROWS) + "</pre>",
        f"<pre>Chapter 1\n</pre>{TELLS}",
        # What holds the story, by its class or id, holds all of it but the heading above it.
        f"<h1>Ann’s books</h1><h1>The <i>Ferry</i></h1><p>by Ann</p><div class='chapter-content'>"
        f"{TELLS}</div><h2>Recent</h2><p>Other</p>",
        f"<div id='storytext'>{TELLS}</div><div class='review'>Great chapter.</div>",
        f"<h1>The Ferry</h1><em>2021-03-01</em><div id='js_content'>{TELLS}</div><p>Follow us</p>",
        f"<h1>The Ferry</h1><div class='entry-content'>{TELLS}<div class='sharedaddy'>Share"
        "</div></div>",
    ],
)
def test_a_sites_page_is_its_story(tmp_path: Path, body: str) -> None:
    rows, titles = read(tmp_path, f"<html><body>{body}</body></html>")
    assert rows == ROWS
    assert set(titles) <= {"The Ferry", "Chapter 1", None}


def test_a_page_may_end_in_a_note() -> None:
    """The note's title was taken out of the parts, and the places noted of them were wrong."""
    page = site_page(f"<div id='storytext'>{TELLS}</div>Notes<blockquote>Late again.</blockquote>")
    assert page.lines == ROWS


def test_a_box_that_holds_a_part_of_the_story_leaves_the_rest(tmp_path: Path) -> None:
    body = "".join(f"<p>{row}</p>" for row in ROWS[:2])
    page = f"<h1>The Ferry</h1>{body}<div class='chapter-content'>{TELLS}</div>"
    assert read(tmp_path, page)[0] == ROWS[:2] + ROWS


def test_a_short_chapter_outside_the_box_of_a_long_one_stays(tmp_path: Path) -> None:
    told = [f"{row} {ROWS[0]} {n}!" for n, row in enumerate(ROWS * 9)]
    first, second = ("".join(f"<p>{row}</p>" for row in rows) for rows in (told[:4], told[4:]))
    page = f"<h2>Chapter 1</h2>{first}<h2>Chapter 2</h2><div class='chapter-content'>{second}</div>"
    assert read(tmp_path, page)[0] == told


def test_a_page_without_headings_keeps_its_blank_lines(tmp_path: Path) -> None:
    """Paragraphs in <pre> that were broken at a width were joined to one another."""
    rows = [" ".join(ROWS[n:] + ROWS[:n]) for n in range(5)]
    text = "\n\n".join(textwrap.fill(row, 60) for row in rows * 3)
    path = tmp_path / "a.html"
    path.write_text(f"<html><body><pre>{text}</pre></body></html>", encoding="utf-8")
    assert list(format_lines(path, "html", Ledger())) == text.split("\n")


@pytest.mark.parametrize(
    "said",
    [
        '<div class="chapter-content"><p class="comments">“Nice boat,” wrote sailor_77.</p></div>',
        '<p><a href="x">“Yes,” she said, and it was a link</a></p>',
        '<p class="menu">Soup, fish, and a small glass of wine</p>',
        "<p>He said <q>come</q> and went.</p>",
        "<aside><p>A letter lay on the desk.</p></aside>",
        "<blockquote><footer>From an old song of the port</footer></blockquote>",
        "<dl><dt>Marta</dt><dd>You are early.</dd></dl>",
    ],
)
def test_prose_that_looks_like_a_sites_part_stays(tmp_path: Path, said: str) -> None:
    rows, _ = read(tmp_path, f"<html><body><h1>The Ferry</h1>{TELLS}{said}{TELLS}</body></html>")
    assert len(rows) == 2 * len(ROWS) + (2 if "<dl>" in said else 1)
    assert "He said “come” and went." in rows or "<q>" not in said


@pytest.mark.parametrize("end", ["", "</title>", "</title></head>"])
def test_a_head_may_stand_open(tmp_path: Path, end: str) -> None:
    assert read(tmp_path, f"<html><head><title>x{end}<body>{TELLS}</body></html>")[0] == ROWS


def test_a_paragraph_broken_with_one_br_and_ended_with_two(tmp_path: Path) -> None:
    lines = [
        "The rain had stopped before the ferry came in, and the women",
        "were folding umbrellas.",
    ]
    rows, _ = read(
        tmp_path, "<html><body>" + "<br><br>".join(["<br>".join(lines)] * 6) + "</body></html>"
    )
    assert set(rows) == {" ".join(lines)}


@pytest.mark.parametrize(
    ("declared", "encoding", "text"),
    [
        ("iso-8859-1", "cp1252", "“You’re early,” she said — and the sea was late."),
        ("us-ascii", "cp1252", "“You’re early,” she said — and the sea was late."),
        ("shift_jis", "cp932", "①雨は渡し舟が着く前に止み、女たちは傘を畳んでいた。"),
        ("euc-kr", "cp949", "똠방각하 펲시콜라라고 그가 웃었다."),
        ("big5", "big5hkscs", "她把箱子數了兩遍，着裏峯綫衞。"),
    ],
)
def test_a_declared_name_is_read_as_browsers_do(
    tmp_path: Path, declared: str, encoding: str, text: str
) -> None:
    """A page that says Latin-1 lost its quotation marks, which are those of cp1252."""
    page = f'<html><head><meta charset="{declared}"></head><body><p>{text}</p></body></html>'
    assert read(tmp_path, page, encoding)[0] == [text]


@pytest.mark.parametrize("before", ["", "<style>", "<div>", "<sup>"])
def test_a_large_page_takes_time_in_proportion(before: str) -> None:
    """The end of each paragraph looked through all that came before: 20,000 took 50 seconds."""

    def seconds(count: int) -> float:
        text = f"{before * count}" + TELLS * (count // len(ROWS))
        start = time.process_time()
        assert site_page(text).lines or before == "<style>"
        return time.process_time() - start

    seconds(500)
    # Twice: the machine may be busy with something else for the whole of one.
    assert min(seconds(16_000), seconds(16_000)) < 12 * max(seconds(4_000), 0.02)


def test_a_saved_page_with_its_pictures_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    head = "From: <Saved>\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary=b\n\n"
    (tmp_path / "a.txt").write_text(f"{head}{STORY}")
    with pytest.raises(DataError, match=r"saved web page \(\.mht\)"):
        kind_of(tmp_path / "a.txt")
