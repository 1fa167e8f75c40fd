"""Names that are a book's own: found by their use, read but not learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from styledial.data.name_mask import NameMask
from styledial.data.names import find_names
from styledial.data.novels import read_text
from styledial.data.pack import IGNORE_INDEX, pack
from styledial.data.passage import Passage
from styledial.data.texts import general_passages
from styledial.evaluation.writing import pieces_of
from styledial.models.load import load_tokenizer

# Marked by hand; what is in MORE are names of the book that were added to judge what was found.
WATER_MARGIN = [
    "宋江",
    "李逵",
    "武松",
    "林冲",
    "吴用",
    "戴宗",
    "卢俊义",
    "燕青",
    "花荣",
    "晁盖",
    "柴进",
    "石秀",
    "杨志",
    "呼延灼",
    "鲁智深",
    "秦明",
    "公孙胜",
    "张顺",
    "史进",
    "朱仝",
    "关胜",
    "张清",
    "杨雄",
    "李俊",
    "时迁",
    "雷横",
    "徐宁",
    "王婆",
    "刘唐",
    "西门庆",
    "梁山泊",
    "郓城县",
]
MORE_NAMES = {
    "王庆",
    "解珍",
    "琼英",
    "解宝",
    "董平",
    "孙立",
    "童贯",
    "高俅",
    "梁中书",
    "索超",
    "乔道清",
    "吴学究",
    "黄信",
    "朱武",
    "施恩",
    "朱贵",
    "黑旋风",
    "宿太尉",
    "高太尉",
    "济州",
    "杨林",
    "李应",
    "高廉",
    "阮小七",
    "萧让",
    "汤隆",
}
NOWHERE = [
    "Dick",
    "Clara",
    "Ellen",
    "Hammond",
    "Hammersmith",
    "Walter",
    "Boffin",
    "Annie",
    "Thames",
    "Oxford",
    "Runnymede",
    "Trafalgar",
    "Morsom",
    "Greylocks",
    "Robert",
    "Bob",
    "Kensington",
    "Westminster",
    "Bloomsbury",
    "Hampton",
    "Wallingford",
    "Windsor",
    "Bisham",
    "Maidenhead",
    "Socialist",
]
MORE_NOWHERE = {"Berkshire", "Dickens", "Philippa"}

# Two scenes by turns: each has its people, and both have everybody's words.
SCENES = (
    "沈砚青推门进来。沈砚青笑道：“先生莫怪。”众人听罢，都不做声。沈砚青又吃了一杯酒，那先生只是摇头。"
    "沈砚青把剑放下，说起路上的事来，众人大笑。",
    "陆小舟在船头坐着。陆小舟叫道：“先生看那山。”众人抬头。陆小舟取出笛子，吹了一曲，那先生不住点头。"
    "陆小舟收了笛子，又吃了一杯酒，众人大笑。",
)
ENGLISH = (
    "At dusk the door opened and Marrow came in. They all knew Marrow, and nobody liked old Marrow "
    "much. But the captain smiled. Well, said the captain, sit down. Then Marrow sat down. ",
    "In the boat was Tessaly with her flute. The captain asked Tessaly for a song, and so Tessaly "
    "played. But nobody spoke. Well, said the captain, that was that. Then Tessaly slept. ",
)


def told(scenes: tuple[str, str]) -> str:
    return "".join(scenes[number // 16 % 2] + "\n" for number in range(96))


def modern() -> str:
    texts = [p for which in ("general", "modern") for p in general_passages("bundled", which)]
    return "\n".join(passage.text for passage in texts)


def rates(
    found: frozenset[str], book: str, names: list[str], more: set[str]
) -> tuple[float, float]:
    """Recall of the marked names; precision of the 60 words found that are the most frequent."""
    top = sorted(found, key=book.count, reverse=True)[:60]
    recall = sum(name in found for name in names) / len(names)
    return recall, sum(word in {*names, *more} for word in top) / len(top)


def test_a_small_text_has_its_own_names() -> None:
    found = find_names([told(SCENES)], modern())
    assert found >= {"沈砚青", "陆小舟"}
    assert not found & {"众人", "先生", "那先生", "沈砚", "砚青", "小舟"}
    assert find_names([told(ENGLISH)], "") == {"Marrow", "Tessaly"}
    # What general text knows as well is nobody's own.
    assert find_names([told(ENGLISH)], "They spoke of Marrow. " * 20) == {"Tessaly"}


def test_a_language_that_capitalises_nouns_gives_none() -> None:
    text = "Er sah den Mann und die Frau, und der Mann ging in das Haus mit dem Hund. " * 40
    assert find_names([text], "") == frozenset()


def test_names_of_water_margin(shared: Path) -> None:
    book = read_text(shared / "corpora/style_zh/gbk_水浒传.txt")
    general = read_text(shared / "corpora/general_zh/zhwiki_cmrc2018.txt")
    found = find_names([book], general)
    recall, precision = rates(found, book, WATER_MARGIN, MORE_NAMES)
    assert recall >= 0.9
    assert precision >= 0.85


def test_names_of_news_from_nowhere(shared: Path) -> None:
    book = read_text(shared / "corpora/style_en/gutenberg/3261.txt")
    general = read_text(shared / "corpora/general_en/state_of_the_union.txt")
    book = book[book.index("CHAPTER I: DISCUSSION") : book.rindex("***END OF")]
    recall, precision = rates(find_names([book], general), book, NOWHERE, MORE_NOWHERE)
    assert recall >= 0.55  # nine of the others occur fewer than five times
    assert precision >= 0.85


def test_every_token_of_a_name_is_read_and_not_learnt(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_base))
    text = "众人见江湖来了，江湖大笑。"
    mask = NameMask(tokenizer, ["江湖"])
    plain = pack([Passage(text, "a", ends_book=True)], tokenizer, 32)
    rows = pack([Passage(text, "a", ends_book=True)], tokenizer, 32, unlearnt=mask)
    batch, before = rows.batch([0]), plain.batch([0])
    assert batch.input_ids.tolist() == before.input_ids.tolist()
    unlearnt = (batch.targets == IGNORE_INDEX) & (before.targets != IGNORE_INDEX)
    assert tokenizer.decode(before.targets[unlearnt]) == "江湖江湖"
    assert rows.total_targets == plain.total_targets - 4
    # Passages for the evaluation are the same with and without.
    assert np.array_equal(pieces_of(rows, 10, 9), pieces_of(plain, 10, 9))


def test_bytes_and_spaces_find_their_names(by_bytes) -> None:
    ids = by_bytes("Old 江湖, Tess!")["input_ids"]
    marked = NameMask(by_bytes, ["江湖", "Tess"])(ids)
    assert [t if t >= 0 else ~t for t in marked] == ids
    assert by_bytes.decode([~t for t in marked if t < 0]) == "江湖Tess"
    assert NameMask(by_bytes, [])(ids) == ids


def test_off_is_what_it_was(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_base))
    passages = [Passage("江湖夜雨" * 30, "a", ends_book=True)]
    none, off = (
        pack(passages, tokenizer, 16, unlearnt=each) for each in (NameMask(tokenizer, []), None)
    )
    assert np.array_equal(none.tokens, off.tokens)
    assert none.pieces == off.pieces


@pytest.fixture(scope="module")
def by_bytes():
    from test_characters import bytes_tokenizer

    return bytes_tokenizer()
