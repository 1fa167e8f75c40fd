"""The five real novels of ../shared, as users have them: counts, and ten places in each book."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest
from data_samples import NOVELS, needs_novels, squeezed

from styledial.data.cleaning.clean import clean
from styledial.data.cleaning.ledger import Drop, Ledger
from styledial.data.passage import Passage
from styledial.data.pipeline import Prepared, prepare_folder
from styledial.data.reading.decode import detect, lines

pytestmark = needs_novels

BIG5, GB, TIANYA = "big5_小五義.txt", "gbk_水浒传.txt", "utf8_水浒传_tianya.txt"
SANXIA, XIAO = "utf8_三侠五义.txt", "utf8_小五义.txt"

# In the Big5 book each place lies across the end of a line at which the file was broken.
PLACES = {
    BIG5: [
        "往北路東有個嶺，叫蟠龍嶺，上有五棵", "憑著咱們的寶刀與寶劍，縱然萬馬千軍，也攔擋",
        "你不出去就罷，別為難我了", "四老爺一定說是我擺的，什麼人說是我",
        "跟著就是一個順水推舟的架式，就奔了喬賓的", "總說這人生前沒幹好事，死後屍骸一臭",
        "我們勸著他老人家散游散游", "他們三位得了山寨之時，山中原有些財帛",
        "山中大寨主是個渾人，眾人跟著他受累", "見他那口劍又保二爺並沒告訴他名姓，就往前一躥",
    ],
    GB: [
        "将戒刀放在床头，禅杖把来倚在床边", "关牢牢地拴住，又没别路上去",
        "武松把刀胳察了插在桌子上，用左手揪住那妇人头髻", "四人饮酒中间，各叙胸中之事",
        "走了的到没事，见在的到官司", "贵造有四句卦歌，小生说与员外写於壁上",
        "李逵把那汉捆做一块，提起斧来喝道", "宋江立在城楼下女墙边，指著卢俊义说道",
        "朱武等七十二员，各白金一百两", "那人英雄了得，你如何近傍得他",
    ],
    SANXIA: [
        "或者东西一样的极有，小人再不敢讹人", "没有什么说的了，倒请了一回罪",
        "这面五间作客座，那面五间作住房", "你明日细细看来，这壶嘴里面也是有隔舌的",
        "约会着展兄同到茉花村，找着双侠丁家二兄弟大家商量个主意", "虽则心旷神恰，难免几番浩叹",
        "忙到山门下避雨，见匾额上题着慧海妙莲庵", "谁知锦笺从外面回来，见相公在外面瞌睡",
        "自颜查散到任，接了呈子无数", "明日送了令亲去，你就到陈起望去就是了",
    ],
    XIAO: [
        "无奈五弟没死，我实对二位哥哥说罢", "闻华就知道这人不通情理，对准了三爷颈嗓咽喉就是一叉",
        "到了上房见婆子，就把给凤仙连给自己的药酒连菜端来",
        "我明人不作暗事，我是用薰香把你熏过去了", "艾爷追出西院，连前头十五六个人拿着家伙",
        "我同我哥哥眼睁睁看着闹鬼，似你这个人造化真不小", "我们已经醒过来，咱们庙中各处搜寻搜寻",
        "曾见当年鲁母师，能无失信与诸姬", "在山坡上一半，把柳爷几乎没摔下水去",
        "冲着他们头儿的脑袋就倒了去了，烫的头儿直嚷嚷",
    ],
    TIANYA: [
        "打听做女婿的二头领如何，只见数个小喽罗",
        "但凡开客店的须要置立文薄，一面上用勘合印信",
        "分教武松大闹了孟州城，哄动了安平寨",
        "牢城营里捉浔阳楼吟反诗的犯人郓城县宋江来，不可时刻违误",
        "那两个正骂之间，只见两三匹马投庄上来", "第二位阮小五，第三位阮小五",
        "四个字扯做粉碎，众人都吃一惊", "只是所生命薄，为人到处多磨",
        "汤隆内外夹攻，杀了北将房学度", "关胜急叫休去时，索超脸上着一锤",
    ],
}  # fmt: skip

# characters in, chapters, and characters dropped by reason
COUNTS = {
    BIG5: (429_778, 124, {"preface": 1_034}),
    GB: (897_020, 121, {"preface": 307, "notice": 128, "stamp": 4_490, "separator": 15,
                        "repeated paragraph": 233}),
    SANXIA: (514_061, 120, {"book title": 4, "notes": 901}),
    XIAO: (414_710, 124, {"book title": 3, "repeated paragraph": 1_778}),
    TIANYA: (907_817, 121, {"book title": 5, "banner": 52, "repeated paragraph": 233}),
}  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, list[Passage]]:
    found = prepare_folder(NOVELS, tmp_path_factory.mktemp("store"), 0.05, workers=1)
    return found, list(found.passages())


@pytest.mark.parametrize("file", PLACES)
def test_text_and_counts(file: str) -> None:
    drops: list[Drop] = []
    ledger = Ledger(listed=drops.append)
    path = NOVELS / file
    pieces = list(clean(lines(path, detect(path)), ledger))
    text = "\n".join(piece.text for piece in pieces)
    assert not [place for place in PLACES[file] if place not in text]

    chars_in, chapters, dropped = COUNTS[file]
    rest = {k: v for k, v in ledger.closed().items() if k not in ("title", "layout")}
    assert (ledger.chars_in, rest) == (chars_in, dropped)
    assert len({piece.ordinal for piece in pieces}) == chapters
    assert all(piece.chapter for piece in pieces)
    assert ledger.chars_out == sum(len(piece.text) for piece in pieces) > chars_in * 0.93


def test_nothing_of_a_novels_words_is_lost() -> None:
    """A clean book minus its titles, title line and notes, sign for sign."""
    path = NOVELS / XIAO
    drops: list[Drop] = []
    kept = "".join(p.text for p in clean(lines(path, detect(path)), Ledger(listed=drops.append)))
    han = re.compile("[\u4e00-\u9fff]")
    raw = len(han.findall(path.read_text("utf-8")))
    assert raw == len(han.findall(kept)) + sum(len(han.findall(d.text)) for d in drops)


@pytest.mark.parametrize(
    "junk",
    [
        "tianyabook",
        "天涯在线书库",
        "更新时间",
        "本章字数",
        "作品仅供读者预览",
        "章节内容开始",
        "书籍介绍",
    ],
)
def test_what_sites_added_is_gone(prepared: tuple[Prepared, list[Passage]], junk: str) -> None:
    assert not [p for p in prepared[1] if junk in p.text]


def test_the_preface_is_apart_from_the_novel(prepared: tuple[Prepared, list[Passage]]) -> None:
    passages = [p for p in prepared[1] if p.book == BIG5]
    assert passages[0].chapter == "第一回 顏按院奉旨上任 襄陽王興心害人"
    assert passages[0].text.startswith("詩曰：\n清晨早起一爐香，謝天謝地謝三光。\n")
    assert not [p for p in passages if "浙江古籍出版社" in p.text or "整理校點" in p.text]


def test_wrapped_lines_are_joined_and_verse_is_not() -> None:
    path = NOVELS / BIG5
    text = "\n".join(p.text for p in clean(lines(path, detect(path)), Ledger()))
    paragraphs = text.split("\n")
    raw = [row for row in path.read_bytes().decode("big5hkscs").split("\r\n") if row.strip()]
    assert (len(raw), len(paragraphs)) == (9_570, 3_144)
    stopped = [p for p in paragraphs if not re.search("[。！？：」』，；）…—]$", p)]
    assert len(stopped) <= 10
    assert (
        "\n".join(["國有賢臣扶社稷，家無逆子惱爺娘。", "惟求處處田禾熟，但願人人壽命長。"]) in text
    )


def test_the_twin_is_dropped_and_the_cleaner_copy_stays(
    prepared: tuple[Prepared, list[Passage]],
) -> None:
    kept = {book.file: book.kept for book in prepared[0].books}
    assert kept == {BIG5: True, GB: True, SANXIA: True, XIAO: True, TIANYA: False}
    twin = next(book for book in prepared[0].books if not book.kept)
    assert GB in twin.reason
    assert not [p for p in prepared[1] if p.book == TIANYA]


def test_the_split_is_by_whole_chapters(prepared: tuple[Prepared, list[Passage]]) -> None:
    sides: defaultdict[tuple[str, str | None], set[str]] = defaultdict(set)
    for passage in prepared[1]:
        sides[passage.book, passage.chapter].add(passage.split)
    assert all(len(found) == 1 for found in sides.values())
    heldout = sum(len(p.text) for p in prepared[1] if p.split == "heldout")
    assert 0.04 < heldout / sum(len(p.text) for p in prepared[1]) < 0.06
    assert {p.book for p in prepared[1] if p.split == "heldout"} == {BIG5, GB, SANXIA, XIAO}


def test_one_story_in_two_scripts_is_on_one_side(
    prepared: tuple[Prepared, list[Passage]],
) -> None:
    """小五義 is there in traditional and in simplified characters; both are kept."""
    number = re.compile("第(.+?)回")
    sides: dict[str, dict[str, str]] = {BIG5: {}, XIAO: {}}
    for passage in prepared[1]:
        if passage.book in sides and (found := number.match(passage.chapter or "")):
            sides[passage.book][found[1]] = passage.split
    shared = sides[BIG5].keys() & sides[XIAO].keys()
    assert len(shared) > 100
    assert [n for n in shared if sides[BIG5][n] != sides[XIAO][n]] == []
    assert [note for note in prepared[0].notes if BIG5 in note and XIAO in note]


def test_as_simplified_they_are_one_book(tmp_path: Path) -> None:
    found = prepare_folder(NOVELS, tmp_path, 0.05, to_simplified=True, workers=1)
    assert [book.file for book in found.books if not book.kept] == [BIG5, TIANYA]


def test_held_out_text_is_new(prepared: tuple[Prepared, list[Passage]]) -> None:
    """No long run of a held-out chapter stands in a training chapter, counted without layout."""
    train = {run for p in prepared[1] if p.split == "train" for run in _runs(p.text)}
    held = [run for p in prepared[1] if p.split == "heldout" for run in _runs(p.text)]
    assert sum(run in train for run in held) / len(held) < 0.001


def _runs(text: str, length: int = 30) -> list[str]:
    flat = squeezed(text)
    return [flat[i : i + length] for i in range(0, len(flat) - length, length // 2)]
