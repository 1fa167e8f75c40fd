"""Titles in the forms that sites and languages have, site lines that go, prose that stays."""

from __future__ import annotations

from collections import Counter

import pytest
from data_samples import novel

from styledial.data.cleaning.authors import _is_note, _words
from styledial.data.cleaning.clean import clean
from styledial.data.cleaning.ledger import Drop, Ledger
from styledial.data.cleaning.titles import Titles

# Five titles a form; \\ parts them.
FORMS = r"""
第001章\第002章\第003章\第004章\第005章
【第一章】雪\【第二章】月\【第三章】风\【第四章】灯\【第五章】渡
第一章.雪夜\第二章.月夜\第三章.风夜\第四章.灯夜\第五章.渡口
「第一章」雪夜\「第二章」月夜\「第三章」风夜\「第四章」灯夜\「第五章」渡口
第1章 雪(3000字)\第2章 月(4K)\第3章 风（二合一）\第4章 灯【VIP】\第5章 渡（为盟主加更）
1，雪夜\2，月夜\3，风夜\4，灯夜\5，渡口
1-1 雪\1-2 月\1-3 风\1-4 灯\1-5 渡
上卷 雪\中卷 月\下卷 风\尾声\后记
楔 子\第一章 雪\第二章 月\终 章\后 记
Vol.1 Chapter.1 雪\Vol.1 Chapter.2 月\Vol.1 Chapter.3 风\Vol.1 Chapter.4 灯\Vol.1 Chapter.5 渡
ch.1\ch.2\ch.3\ch.4\ch.5
- 1 -\- 2 -\- 3 -\- 4 -\- 5 -
1/\2/\3/\4/\5/
One\Two\Three\Four\Five
One.\Two.\Three.\Four.\Five.
Day One\Day Two\Day Three\Day Four\Day Five
STAVE ONE\STAVE TWO\STAVE THREE\STAVE FOUR\STAVE FIVE
الفصل الأول\الفصل الثاني\الفصل الثالث\الفصل الرابع\الفصل الخامس
פרק א\פרק ב\פרק ג\פרק ד\פרק ה
Κεφάλαιο Α΄\Κεφάλαιο Β΄\Κεφάλαιο Γ΄\Κεφάλαιο Δ΄\Κεφάλαιο Ε΄
Birinci Bölüm\İkinci Bölüm\Üçüncü Bölüm\Dördüncü Bölüm\Beşinci Bölüm
Ensimmäinen luku\Toinen luku\Kolmas luku\Neljäs luku\Viides luku
Första kapitlet\Andra kapitlet\Tredje kapitlet\Fjärde kapitlet\Femte kapitlet
《渡》第1节\《渡》第2节\《渡》第3节\《渡》第4节\《渡》第5节
VIP第一章 雪\VIP第二章 月\VIP第三章 风\VIP第四章 灯\VIP第五章 渡
# 第1章 雪\# 第2章 月\# 第3章 风\# 第4章 灯\# 第5章 渡
2003年3月\2003年4月\2003年5月\2003年6月\2003年7月
Глава №1\Глава №2\Глава №3\Глава №4\Глава №5
""".strip().split("\n")

SITE = """
关注公众号“雨声书屋”，免费看小说
百度搜索“雨声小说网”看最新章节
本站所有小说为转载作品，所有章节均由网友上传
推荐都市大神新书：《雾中剑》
热门推荐：
上一章目录+书签下一页
翻页 上页 目录 下页 存书签
看更多好看的小说！威信公号：某某
若浏览器显示没有新章节了，请尝试点击右上角的菜单，退出阅读模式即可，谢谢！
（快捷键 ←）上一章 返回目录（快捷键 Enter）下一章（快捷键 →）
正在更新，请稍后刷新访问，或者更换浏览器
请支持正版，从我做起
加入书签，方便阅读
上一页 返回书目 下一页
小提示：按回车[Enter]键返回书目，按→键进入下一页。
如果您喜欢本书，请分享给您的朋友
本文每页显示100行
为盟主“小舟”加更（1/3）
本文来自 雨声小说
（完）
——完——
感谢“小舟”的588打赏，谢谢支持！
""".strip().split("\n")

PROSE = """
目录
a<b>c，这是数学。
<div>她是程序员，写了一行<br>代码。
感谢你，感谢你们，感谢这片土地。
他百度了一下这个名字，什么也没有。
一切都完了
为了她，他又加了一更的班。
他按下回车键，屏幕亮了。
第三部分钱花完了。
第三回合，他一剑刺空。
三更半夜，谁会来
Day after day he waited.
""".strip().split("\n")


def cleaned(rows: list[str]) -> tuple[dict[int, str | None], list[str], Counter[str]]:
    """(titles by chapter, rows of prose, drops by reason)."""
    drops: list[Drop] = []
    found = list(clean(rows, Ledger(listed=drops.append)))
    prose = [row for piece in found for row in piece.text.split("\n") if row]
    titles = {piece.ordinal: piece.chapter for piece in found}
    return titles, prose, Counter(drop.reason for drop in drops)


def story() -> list[str]:
    rows = novel(3, 5, 12).split("\n")
    return [row.strip("　") for row in rows if row and not row.startswith("第")]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.split("\\")[0])
def test_a_numbered_form_heads_chapters(form: str) -> None:
    titles, prose = form.split("\\"), story()
    rows = [row for i, title in enumerate(titles) for row in (title, *prose[12 * i : 12 * i + 12])]
    chapters, kept, _ = cleaned(rows)
    assert len(chapters) == 5
    assert None not in chapters.values()
    assert kept == prose


def book_with(line: str, at: int) -> list[str]:
    rows = ["　　" + row for row in story()]
    rows.insert(at, "　　" + line)
    return ["第一章 雪", *rows[:30], "第二章 月", *rows[30:]]


@pytest.mark.parametrize("line", SITE)
def test_a_sites_line_goes(line: str) -> None:
    for at in (6, 30):
        chapters, kept, _ = cleaned(book_with(line, at))
        assert (list(chapters.values()), kept) == (["第一章 雪", "第二章 月"], story())


@pytest.mark.parametrize("line", PROSE)
def test_prose_that_looks_like_it_stays(line: str) -> None:
    chapters, kept, drops = cleaned(book_with(line, 6))
    assert (len(chapters), drops) == (2, {"title": 2})
    assert kept == [*story()[:6], line, *story()[6:]]


def test_long_titles_in_english_and_prose_like_them() -> None:
    """Of more than 60 characters; a line broken at the width of the page goes on in small letters."""
    title = "CHAPTER XV: ON THE LACK OF INCENTIVE TO LABOUR IN A COMMUNIST SOCIETY"
    other = "Chapter 16. Of What Befell Between the Old Miller and the Stranger at the Ford"
    prose = "Chapter IV. The reader will remember that the captain had gone down to the"
    found, comma = Titles(()), "Part II: Here, as the Old Men Said When They Were Asked about It,"
    assert (found(title), found(other), found(prose), found(comma)) == (True, True, False, False)


def test_notes_about_the_work_that_tell_a_story_stay() -> None:
    """A chapter called 作品相关 was dropped whole for one word of a site in it."""
    told = [row for row in story()[:12] if "道：" in row or "。" in row]
    rows = ["第一章 雪", *story()[12:24], "作品相关 旧事", *told, "他写完了新书，心想：“完了。”"]
    _, kept, drops = cleaned([*rows, "第二章 月", *story()[24:36]])
    assert told[0] in kept
    assert not drops["author's note"]


def test_each_word_of_a_note_in_english_is_looked_for() -> None:
    """The pattern is asked only where a part of one of its words is in the line."""
    said = (
        "Royal Road|RoyalRoad|rating|ratings|Patreon|Discord|Reviews|review|comments|Updates|"
        "update|Follow|follow|Favourites|favorite|Readers|reader|Thanks|thank you|next chapter"
    )
    for word in said.split("|"):
        assert _words(f"and {word} it"), word
    assert _is_note("Thanks to all readers, and do leave a review.")
    assert _words("求月票，see my Patreon") == {"月票", "Patreon"}
    assert _words("The rain came down upon the mill, and no one slept.") == set()


@pytest.mark.parametrize("line", ["PS是什么意思，她问。", "VIP包厢里坐满了人", "他说OK"])
def test_capitals_in_a_chinese_line_go_on_with_no_title(line: str) -> None:
    """All its letters that have a case are capitals: it was the second half of the title."""
    chapters, kept, _ = cleaned(book_with(line, 0))
    assert (list(chapters.values()), kept) == (["第一章 雪", "第二章 月"], [line, *story()])


@pytest.mark.parametrize(
    ("title", "line"),
    [
        ("# The House", "Flour"),
        ("Chapter 2", "“STOP!”"),
        ("Chapter 2", "[Level Five]"),
        ("Chapter 2", "Dear Tom:"),
        ("Chapter 2", "Flour 200 g"),
        ("Chapter 2", "Name: Tom"),
    ],
)
def test_a_first_line_in_capitals_is_not_always_the_title(title: str, line: str) -> None:
    prose = [f"The ferry left at {hour}, and nobody in the town had seen it." for hour in range(9)]
    found = clean([title, line, *prose], Ledger(), markdown=True)
    assert [piece.text.split("\n") for piece in found] == [[line, *prose]]


@pytest.mark.parametrize("head", ["内容简介：", "【あらすじ】", "Synopsis:"])
def test_a_blurb_before_the_first_title_goes_and_a_prologue_stays(head: str) -> None:
    prose = story()
    rows = [
        "《雪》",
        head,
        "　　一个女人渡海去找一张海图。",
        "",
        "",
        prose[0],
        "",
        "第一章 雪",
        *prose[1:20],
    ]
    _, kept, drops = cleaned([*rows, "第二章 月", *prose[20:40]])
    assert (kept, drops["preface"]) == (prose[:40], 2)


@pytest.mark.parametrize(
    ("above", "goes"),
    [(["夜渡"], 1), ([], 1), (["他翻开册子。", "册子上写着一行字。"], 0)],
    ids=["below the name", "first", "in a prologue"],
)
@pytest.mark.parametrize("titled", [True, False])
def test_a_blurb_on_its_label_goes_at_the_head_of_a_book_only(
    above: list[str], goes: int, titled: bool
) -> None:
    prose = story()
    quoted = ["简介：此人擅使双刀。", "", *prose[:9]]
    book = [*above, *quoted, *(["第一章 雪"] if titled else []), *prose[9:20]]
    kept = cleaned(book)[1]
    assert [row for row in kept if row != "夜渡"] == [
        row for row in [*above, *quoted[goes:], *prose[9:20]] if row and row != "夜渡"
    ]
