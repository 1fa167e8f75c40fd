"""What cleaning takes and what it must leave: each rule with the prose that looks like it."""

from __future__ import annotations

import pytest
from data_samples import STORY, TRADITIONAL, novel

from styledial.data.cleaning.clean import clean
from styledial.data.cleaning.ledger import Drop, Ledger
from styledial.data.copies.pieces import Piece


def cleaned(text: str, **options: bool) -> tuple[list[Piece], Ledger, list[Drop]]:
    drops: list[Drop] = []
    ledger = Ledger(listed=drops.append)
    return list(clean(text.split("\n"), ledger, **options)), ledger, drops


def prose(text: str, **options: bool) -> str:
    return "\n".join(piece.text for piece in cleaned(text, **options)[0])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("好书在线书库《www.haoshu-example.com》", "banner"),
        ("更多好书请访问 http://www.example.com/book/1.html", "banner"),
        ("haoshu-example.com", "banner"),
        ("更新时间:2007-1-12 23:57:15 本章字数:5906", "stamp"),
        ("更新時間：2011年3月4日", "stamp"),
        ("本章字数：3021", "stamp"),
        ("------章节内容开始-------", "separator"),
        ("**********************", "separator"),
        ("上一章 | 返回目录 | 下一章", "navigation"),
        ("（本章完）", "notice"),
        ("未完待续。", "notice"),
        ("作品仅供读者预览,请在下载24小时内删除，不得用作商业用途！", "notice"),
        ("天才一秒记住本站地址，手机用户请浏览阅读。", "advertisement"),
        ("求月票！求推荐票！", "advertisement"),
        ("扫描：某某  校对：某某", "credits"),
    ],
)
def test_what_sites_add_goes(line: str, reason: str) -> None:
    half = len(STORY) // 2
    cut = STORY.index("\n", half) + 1
    text = f"{STORY[:cut]}    {line}\n{STORY[cut:]}"
    pieces, ledger, drops = cleaned(text)
    assert "\n".join(p.text for p in pieces) == STORY.strip()
    assert [(d.reason, d.number) for d in drops] == [(reason, STORY[:cut].count("\n") + 1)]
    assert ledger.drops[reason] >= len(line) - 4


@pytest.mark.parametrize(
    "line",
    [
        "展爷连忙整理衣冠，掸去灰尘，迈步上堂。",
        "那仙人所传剑法略有七十二路，路路不同。",
        "欧阳修的本章递上，天子看罢，龙颜大悦。",
        "他将书信收藏在怀内，更不对人提起。",
        "公子更新了衣服，字数不多的一封信，看了三遍。",
        "这版图归了大宋，权归天子。",
        "店家将正版书摆在下面，并无人购买。",
        "全书完了么？先生道：“不曾。”",
        "未完的官司，待续的姻缘，都在后文。",
        "只听得手机关一响，万箭齐发。",
        "第一回合，二人斗了个平手；第二回合，那汉子便输了。",
        "第三部分兵马由他统领，杀奔前来。",
        "一、不许滋事。二、不许饮酒。三、不许夜出。",
        "序齿已毕，众人落座。",
        "楔子打进木缝里，那门便再也推不开了。",
        "……",
    ],
)
def test_prose_that_looks_like_it_stays(line: str) -> None:
    text = STORY + line + "\n" + STORY.replace("陆", "林")
    assert line in prose(text)
    assert not [d for d in cleaned(text)[2] if line[:6] in d.text]


def test_an_address_in_prose_goes_alone() -> None:
    text = STORY.replace("飘然而去。", "飘然而去。好书在线书库《www.haoshu-example.com》")
    assert prose(text) == STORY.strip()


@pytest.mark.parametrize(
    "title",
    [
        "第一回　打铁汉初逢老道　借刀人夜走青石",
        "上卷 第一回　打铁汉初逢老道",
        "第01回 打铁汉初逢老道",
        "第一百十八回合歡樓叔嫂被殺郭家營宗德廢命",
        "第七十四回 燕青智扑“擎天柱” 李逵寿张乔坐衙",
        "第七十六回　割帐绦北侠擒恶霸，对莲瓣太守定良缘",
        "第１２章：夜雨",
        "卷三 第五节 渡口",
        "楔子",
        "尾声　江湖路远",
        "Chapter IV",
        "CHAPTER 12. The Ferry",
        "Prologue",
    ],
)
def test_titles_are_structure(title: str) -> None:
    pieces, _, drops = cleaned(f"{title}\n\n{STORY}")
    assert {p.text for p in pieces} == {STORY.strip()}
    assert pieces[0].chapter is not None
    assert [d.reason for d in drops] == ["title"]


def test_bare_numbers_are_titles_only_where_the_book_counts_so() -> None:
    chapters = [novel(i, 1, 8).split("\n", 2)[2].strip() for i in range(4)]
    text = "\n".join(f"{n}、\n{body}" for n, body in zip("一二三四", chapters, strict=True))
    pieces, _, _ = cleaned(text)
    assert [p.chapter for p in pieces] == ["一、", "二、", "三、", "四、"]
    rules = STORY + "一、不许滋事\n二、不许饮酒\n三、不许夜出\n"
    assert "二、不许饮酒" in prose(rules)


def test_volume_and_chapter_stand_together_and_contents_go() -> None:
    titles = [f"第{n}回　{'打铁借刀夜雨渡口江湖'[i : i + 4]}" for i, n in enumerate("一二三四五")]
    text = "目录\n" + "\n".join(titles) + "\n\n第一卷　青石镇\n" + titles[0] + "\n" + STORY
    pieces, ledger, _ = cleaned(text)
    assert pieces[0].chapter == "第一卷 青石镇 " + titles[0].replace("　", " ") or pieces[0].chapter
    assert ledger.drops["contents"] >= sum(map(len, titles[1:]))
    assert pieces[0].text == STORY.strip()


def test_an_editors_preface_goes_and_a_prologue_stays() -> None:
    preface = (
        "《青石镇》是一部侠义小说，作者佚名。本书现存最早的版本是清末刊本。\n"
        "这次整理校点，以刊本为底本。\n某某出版社　1997年6月\n\n"
    )
    title = "第一回　打铁汉初逢老道\n"
    pieces, ledger, _ = cleaned(preface + title + STORY)
    assert [p.text for p in pieces] == [STORY.strip()]
    assert ledger.drops["preface"] >= 60
    prologue = "列位看官，世上的事，有因便有果。今日说一段打铁的故事，请听在下慢慢道来。\n"
    pieces, _, _ = cleaned(prologue + title + STORY)
    assert [(p.chapter is None, p.text) for p in pieces] == [
        (True, prologue.strip()),
        (False, STORY.strip()),
    ]


def wrapped(text: str, width: int) -> str:
    rows = []
    for paragraph in text.strip().split("\n"):
        indented = "　　" + paragraph
        rows += [indented[i : i + width] for i in range(0, len(indented), width)]
    return "\n".join(rows)


def test_hard_wrapped_lines_are_joined() -> None:
    long = "\n".join(a + b for a, b in zip(*[iter((STORY * 3).split("\n"))] * 2, strict=False))
    long = "\n".join(f"{'又' * (i % 3)}{row}" for i, row in enumerate(long.split("\n")) if row)
    assert prose(wrapped(long, 20)) == long.strip()


def test_verse_and_short_lines_are_not_joined() -> None:
    verse = "\n".join(["炉火千年照铁衣，江湖夜雨故人稀。", "不知匣里青锋在，曾为谁家斩是非。"] * 9)
    assert prose(verse) == verse
    bare = "\n".join(["炉火千年照铁衣", "江湖夜雨故人稀"] * 12)
    assert prose(bare) == bare


def test_english_prose_is_joined_with_spaces_and_verse_is_not() -> None:
    import textwrap

    words = "The ferryman looked at the stranger and shook his head slowly, for the river was high"
    paragraphs = [f"{words} and number {n} had already drowned. " * 3 for n in range(20)]
    text = "\n\n".join("\n".join(textwrap.wrap(p, 70)) for p in paragraphs)
    assert prose(text).split("\n\n") == [p.strip() for p in paragraphs]
    verse = "\n".join(f"O {'gentle ' * (n % 4)}river number {n}, flow," for n in range(40))
    assert prose(verse) == verse
    ballad = [
        f"The river number {n} keeps its own account\nof everyone who crossed" for n in range(9)
    ]
    assert prose("\n".join(ballad)) == "\n".join(ballad)


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ('他说:"走!"便去了.', "他说：“走！”便去了。"),
        ("他说：「走！」又说：「快！」", "他说：「走！」又说：「快！」"),
        ("他說：」走！「便去了。", "他說：「走！」便去了。"),
        ("他说。。。又停住了", "他说……又停住了"),
        ("编号ＡＢＣ１２３", "编号ABC123"),
        ("他走了--再也没有回来。", "他走了——再也没有回来。"),
        ("雨停了。&nbsp;&ldquo;走&rdquo;<br/>", "雨停了。“走”"),
        ("时辰是3:30，比分1,000点。", "时辰是3:30，比分1,000点。"),
        ("零宽\u200b字符\ufeff与\u00ad软连字符", "零宽字符与软连字符"),
    ],
)
def test_forms(raw: str, wanted: str) -> None:
    assert prose(raw) == wanted


def test_a_book_keeps_the_marks_it_mostly_uses() -> None:
    mixed = TRADITIONAL + "老道說：“去也。”\n"
    assert prose(mixed) == mixed.strip().replace("“", "「").replace("”", "」")


def test_to_simplified_is_an_option() -> None:
    assert prose(TRADITIONAL) == TRADITIONAL.strip()
    simple = prose(TRADITIONAL, to_simplified=True)
    assert simple.startswith("话说青石镇上有一个打铁的汉子")
    assert "“施主，贫道要借一口好刀，三日之后必定奉还。”" in simple


def test_a_long_paragraph_comes_once_and_a_formula_as_often_as_told() -> None:
    long = "".join(STORY.split("\n")[:6])
    text = "\n".join(
        ["诗曰：", "当夜无事。", long, "话休絮烦。", "当夜无事。", long, "话休絮烦。", "诗曰："]
    )
    pieces, ledger, _ = cleaned(text)
    assert pieces[0].text.split("\n") == ["诗曰：", "当夜无事。", long, "话休絮烦。", "诗曰："]
    assert ledger.drops["repeated paragraph"] == len(long) + 10
    apart = "\n".join(["诗曰：", long, "当夜无事。", "诗曰：", "众人散去。", "当夜无事。"])
    assert prose(apart) == apart


def test_the_counts_add_up() -> None:
    text = "书库《www.haoshu-example.com》\n" + novel(5) + "\n更新时间:2007-1-12\n（本章完）\n"
    _, ledger, _ = cleaned(text)
    assert ledger.chars_in == len(text) + 1  # as if the last line had an end too
    assert ledger.chars_in == ledger.chars_out + sum(ledger.closed().values())


def test_cleaning_a_clean_book_takes_only_its_titles() -> None:
    pieces, ledger, _ = cleaned(novel(8))
    assert set(ledger.closed()) == {"title", "layout"}
    body = [row.strip("　") for row in novel(8).split("\n") if row and not row.startswith("第")]
    assert "\n".join(p.text for p in pieces).split("\n") == body
