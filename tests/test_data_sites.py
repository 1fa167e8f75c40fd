"""Lines of sites, apps and forums go; sentences that speak of the same things stay.

Lines in other languages than Chinese go at the ends of a chapter only.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from site_lines import AFTER_A_CHAPTER, AT_AN_END, PROSE, SITE
from test_data_titles import book_with, cleaned, story


@pytest.mark.parametrize("line", SITE)
def test_a_line_of_a_site_goes_wherever_it_stands(line: str) -> None:
    chapters, kept, _ = cleaned(book_with(line, 6))
    assert (list(chapters.values()), kept) == (["第一章 雪", "第二章 月"], story())


@pytest.mark.parametrize("line", AFTER_A_CHAPTER)
def test_a_line_of_a_site_goes_after_a_chapter_and_stays_in_it(line: str) -> None:
    chapters, kept, _ = cleaned(book_with(line, 29))
    assert (list(chapters.values()), kept) == (["第一章 雪", "第二章 月"], story())
    assert len(cleaned(book_with(line, 6))[1]) == len(story()) + 1


@pytest.mark.parametrize("line", AT_AN_END)
def test_a_note_goes_at_the_end_of_a_chapter(line: str) -> None:
    _, kept, _ = cleaned(book_with(line, 30))
    assert kept == story()


# At an end of a chapter these are contents, or notes by words that authors use.
NOT_AT_AN_END = {
    "目录",
    "目次",
    "The review in the Times was kind, and so was the rating.",
    "If you like reviews, follow the critics and rate the wines.",
}


@pytest.mark.parametrize("line", PROSE)
def test_a_sentence_about_such_things_stays(line: str) -> None:
    for at in (6,) if line in NOT_AT_AN_END else (6, 29):
        chapters, kept, _ = cleaned(book_with(line, at))
        assert (len(chapters), kept) == (2, [*story()[:at], line, *story()[at:]])


@pytest.mark.parametrize(
    "line",
    [
        "He typed www.ferry.com into the browser and waited.",
        "I saw my own chapter at https://ferry.example/12, copied word for word.",
    ],
)
def test_an_address_that_a_story_tells_of_stays(line: str) -> None:
    """The whole sentence went, for its words read as an address with its letters spaced."""
    rows = [f"The ferry left at {hour}, and nobody in the town had seen it." for hour in range(9)]
    assert cleaned(["Chapter 1", *rows[:5], line, *rows[5:]])[1] == [*rows[:5], line, *rows[5:]]


@pytest.mark.parametrize(
    "note",
    [
        "———\n作者的话：\n新的一卷开始了，求月票。",
        "（後書き）\n評価、感想いただけると嬉しいです。",
        "作者有话说：\n这章写了很久……\n大家中秋快乐！\n评论区前三十发红包~",
        "作者有话要说：下章入V，谢谢大家支持正版。\n推一下基友的文：《长夜》，戳专栏可见。",
        "关于更新的事\n最近工作忙，更新改成每天一更，请大家见谅。\n月票还是要求的。",
    ],
    ids=["author", "Narou", "Jinjiang", "Jinjiang on a line", "updates"],
)
def test_a_note_under_its_heading_goes_at_the_end_of_a_chapter(note: str) -> None:
    rows = book_with("", 30)
    rows[rows.index("第二章 月") : rows.index("第二章 月")] = note.split("\n")
    assert cleaned(rows)[1] == story()


@pytest.mark.parametrize("rows", [["注释"], ["***"], ["注释", "此处原有一座桥。"]])
def test_a_heading_or_rule_without_notes_stays(rows: list[str]) -> None:
    book = book_with("", 30)
    book[book.index("第二章 月") : book.index("第二章 月")] = rows
    assert [row for row in cleaned(book)[1] if row in rows] == rows


def test_a_letter_under_a_name_is_no_authors_note() -> None:
    rows = [f"The ferry left at {hour}, and nobody in the town had seen it." for hour in range(9)]
    letter = ["A note from Margaret", "I have gone to the coast. The keys are under the stone."]
    assert cleaned(["Chapter 1", *rows, *letter])[1] == [*rows, *letter]


@pytest.mark.parametrize("line", ["FIN", "Author's note: the witness lied twice that day."])
def test_what_may_end_a_chapter_stays_inside_it(line: str) -> None:
    assert line in cleaned(book_with(line, 6))[1]


@pytest.mark.parametrize("heads", [["08:30", "09:15", "23:59"], ["2003-5-12", "2003-5-13"]])
def test_times_and_dates_that_head_a_diary_are_not_lost(heads: list[str]) -> None:
    rows = story()
    book = [row for i, head in enumerate(heads) for row in (head, *rows[20 * i : 20 * i + 20])]
    chapters, kept, _ = cleaned(book)
    assert all(head in kept or head in chapters.values() for head in heads)


@pytest.mark.parametrize("line", ["작가의 말", "作话"])
def test_what_may_head_a_note_takes_no_prose_with_it(line: str) -> None:
    """All that followed it in a chapter went where it was short."""
    assert cleaned(book_with(line, 27))[1] == [*story()[:27], line, *story()[27:]]


@pytest.mark.parametrize(
    ("at", "note"),
    [(20, "作者有话说：中秋快乐！"), (21, "作者有话要说：下章入V，谢谢大家。")],
    ids=["under a title", "below the first line"],
)
def test_prose_behind_an_authors_line_above_a_chapter_stays(at: int, note: str) -> None:
    """The first paragraph, or in a chapter that names nobody all of it, went with the note."""
    rows = [f"那年冬天，雨下了{hour}个时辰，渡口没有船。" for hour in range(40)]
    book = ["第一章 雪", *rows[:20], "第二章 月", *rows[20:]]
    assert cleaned([*book[: at + 2], note, *book[at + 2 :]])[1] == rows


@pytest.mark.parametrize(
    ("note", "goes"),
    [
        (["作者有话要说：下章入V，谢谢大家。"], 1),
        (["作者有话要说：", "中秋快乐！"], 2),
        (["作者的话：", "新的一卷开始了，谢谢各位书友。"], 2),
    ],
)
def test_prose_behind_a_note_inside_a_chapter_stays(note: list[str], goes: int) -> None:
    """Up to 600 characters of it went where it named nobody."""
    rows = [f"那年冬天，雨下了{hour}个时辰，渡口没有船。" for hour in range(40)]
    book = ["第一章 雪", *rows[:30], *note, *rows[30:]]
    assert cleaned(book)[1] == [*rows[:30], *note[goes:], *rows[30:]]


def test_no_line_takes_more_than_its_length() -> None:
    """100:200:300 to 1700 in one line, and 求求求求, took forever."""
    script = Path(__file__).with_name("long_lines.py")
    subprocess.run([sys.executable, str(script)], check=True, timeout=40)


@pytest.mark.parametrize(
    "line",
    [
        "請記住本書首發域名：www.yusheng.com。雨聲小說網手機版閱讀網址：m.yusheng.com",
        "上一章 返回目錄 下一章",
        "感謝書友“夜雨”的打賞！",
        "本章未完，請點擊下一頁繼續閱讀",
        "作者有話說：\n這章寫了很久……\n大家中秋快樂！",
    ],
)
def test_sites_and_authors_write_traditional_characters_too(line: str) -> None:
    rows = book_with("", 30)
    rows[rows.index("第二章 月") : rows.index("第二章 月")] = line.split("\n")
    assert cleaned(rows)[1] == story()


def test_a_line_in_simplified_characters_goes_from_a_traditional_book() -> None:
    rows = [f"那時我們說好了，{hour}個時辰之後還在這裡等船。" for hour in range(30)]
    line = "关注公众号“雨声书屋”，免费看小说"
    assert cleaned(["第一章 雪", *rows[:9], line, *rows[9:]])[1] == rows


@pytest.mark.parametrize(
    "line", ["他把這本書收藏了三十年。", "感謝上蒼，還活著。", "版權歸誰，沒有人知道。"]
)
def test_a_sentence_in_traditional_characters_stays(line: str) -> None:
    for at in (6, 29):
        assert line in cleaned(book_with(line, at))[1]
