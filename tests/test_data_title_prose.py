"""Sentences that look like titles stay prose, in books with chapters and without."""

from __future__ import annotations

import pytest
from test_data_titles import cleaned, story

# One such line in a book: ordinary words after a chapter's word, names of parts in sentences.
ALONE = """
Hỏi ba.
Hỏi bạn.
Hỏi tên.
Phần tôi – Đêm ấy tôi ngủ rất ngon và không mơ thấy gì cả.
Phần năm.
Bölüm başkanı.
Bir bölüm.
Ein Buch – das war alles, was ihm geblieben war.
Ein Buch
Acht Teile.
Teil eines Plans.
Un libro
Une partie de moi
Parte baja: Cocina y despensa.
Partie centrale
Act badly — and they will forgive you nothing.
Act on.
I act.
Act once
Part Chinese.
Chapter one, in which the hero
[He laughs]
外传是他写的
Part one — and there was no other.
Part two (and the worst) made him cry.
Section 8. That was his discharge.
La segunda parte.
La segunda parte
Première partie.
Book banned. Author jailed.
第九章你看了吗？
第十回他输了！
第二十回了！
第一百章你写得完吗？
第九回他终于赢了……
第九章他没写
第六章程是谁写的
第六章写得太长，今晚改短些
Extra. A dollar more.
Slot: 4
Schluss: so geht das nicht.
Schluss — aus — vorbei!
Sonuç: yenildik.
Conclusión. Nadie vino.
Kết thúc.
서문 밖
후기 조선
結びの神
结局之惨
插曲之后
""".strip().split("\n")

# Lines that come back, each alone, through a book; \\ parts them.
AGAIN = r"""
You bastard.\You bandit.\You baboon.
Go back.\Go on.
Not bad.\Not only.\Not once.
Non basta.\Non trema.\Non balla.
Muy triste.\Muy bajo.
Tôi nhìn.\Tôi nằm.\Tôi bảo.
Ông Ba.\Ông Tư.\Ông Năm.
Biraz sonra.\Ondan sonra.
Bir gün.\İki gün.\Üç gün.
Deux heures.\Trois heures.\Quatre heures.
Noch einmal.\Noch eins.
THE BARON.\THE BANKER.\THE BAKER.
DER BARON\DER BAUER\DER BADER
甲\乙
甲\乙\丙
甲\乙\丙\丁
春\夏\秋\冬
A.\B.
前\后
子时\丑时\寅时
春\夏
甲：来了\乙：来了\丙：来了
1把刀\2把刀\3把刀
And sang of woe (1)\The mountains wept (2)\No river ran (3)
First Witch\Second Witch\Third Witch
FIRST VOICE.\SECOND VOICE.\THIRD VOICE.
Part now\Part friends\Part ways
""".strip().split("\n")

_CHAPTERED = "一二三四五六"


def book(lines: list[str], chapters: bool) -> list[str]:
    """A book of six parts with each of `lines` in one of them, alone between paragraphs."""
    rows, prose = [], story()
    for i in range(6):
        rows += [f"第{_CHAPTERED[i]}章 雪"] * chapters + prose[8 * i : 8 * i + 4]
        rows += [lines[i % len(lines)], *prose[8 * i + 4 : 8 * i + 8]]
    return rows


@pytest.mark.parametrize("chapters", [True, False], ids=["chapters", "none"])
@pytest.mark.parametrize("line", ALONE)
def test_one_sentence_is_no_title(line: str, chapters: bool) -> None:
    prose = story()
    titles = [f"第{number}章 雪" for number in _CHAPTERED[:4]] if chapters else [""] * 4
    rows = [row for i in range(4) for row in (titles[i], *prose[8 * i : 8 * i + 8])]
    rows.insert(22, line)
    found, kept, drops = cleaned([row for row in rows if row])
    assert line in kept
    assert (len(found), drops["title"]) == ((4, 4) if chapters else (1, 0))


@pytest.mark.parametrize("chapters", [True, False], ids=["chapters", "none"])
@pytest.mark.parametrize("lines", AGAIN)
def test_sentences_that_come_back_are_no_titles(lines: str, chapters: bool) -> None:
    said = lines.split("\\")
    found, kept, _ = cleaned(book(said, chapters))
    assert [row for row in kept if row in said] == [said[i % len(said)] for i in range(6)]
    assert len(found) == (6 if chapters else 1)


@pytest.mark.parametrize("lines", [r"甲\乙", r"甲\乙\丙", r"上\下", r"春\夏\秋\冬"])
def test_speakers_in_volumes_are_no_titles(lines: str) -> None:
    said = lines.split("\\")
    rows = [row.replace("章 雪", "卷 雪") for row in book(said, chapters=True)]
    found, kept, _ = cleaned(rows)
    assert (len(found), sum(row in said for row in kept)) == (6, 6)


@pytest.mark.parametrize(
    "titles",
    [
        r"1\2\3\4\5\6",
        r"One\Two\Three\Four\Five\Six",
        "一\\二\\三\\四\\五\\六",
        r"1.\2.\3.\4.\5.\6.",
    ],
)
def test_days_inside_numbered_chapters_stay(titles: str) -> None:
    rows = book([f"第{number}天" for number in "一二三四五六"], chapters=True)
    names = iter(titles.split("\\"))
    found, kept, _ = cleaned(
        [next(names) if row.startswith("第") and "章" in row else row for row in rows]
    )
    assert (len(found), sum(row.endswith("天") and len(row) == 3 for row in kept)) == (6, 6)


@pytest.mark.parametrize(("every", "count"), [(1, 6), (4, 7)], ids=["chapters", "parts"])
def test_numbers_alone_beside_chapters_and_parts(every: int, count: int) -> None:
    """Counting inside chapters is prose; One to Six in a book of two Parts are its chapters."""
    rows = book(["One", "Two", "Three", "Four", "Five", "Six"], chapters=False)
    starts = [
        i for i, row in enumerate(rows) if row in ["One", "Two", "Three", "Four", "Five", "Six"]
    ]
    for k in range(5, -1, -1):
        if k % every == 0:
            rows.insert(starts[k] - 4 * (every == 1), f"Part {k // every + 1}")
    found, kept, _ = cleaned(rows)
    assert ("Three" in kept, len(found)) == (every == 1, count)


def chapters_of(titles: str) -> list[str | None]:
    """The chapters of a book with these titles; `/` joins those that stand together."""
    prose, rows = story(), []
    for i, title in enumerate(titles.split("\\")):
        rows += [*title.split("/"), *prose[3 * i : 3 * i + 3]]
    return list(cleaned(rows)[0].values())


@pytest.mark.parametrize(
    "titles",
    [
        r"第一卷/第一章 云\第二章 风\第三章 雨\第二卷/第一章远行\第二章她来了\第三章大雪",
        r"第一章 云\第二章 风\第三章 雨\第四章 雪\第四章 月\第四章他又来了\第五章 灯",
        r"第1章 云\第2章 风\第3章她笑了\第3章她哭了\第4章 雨",
        r"第一回 云\第二回 风\第三回合欢\第四回 雨",
        r"第一章杀！杀！\第二章你是谁？\第三章 雨\第四章程门立雪\第五章 月\第六章他，来了",
        r"第1章你来了\第2章他走了\第3章他来了\第4章她去了\第5章他没来",
        r"第一章 云\番外（一）是他\番外在一起\番外人生\番外的番外",
        r"第一章 云\番外一我是谁\第二章 风",
    ],
)
def test_a_title_told_by_its_place_in_its_volume(titles: str) -> None:
    assert chapters_of(titles) == [title.replace("/", " ") for title in titles.split("\\")]


def test_a_title_printed_twice_leaves_its_volume() -> None:
    assert chapters_of(r"第一卷 云/第一章 风/第一章 风\第二章 雨")[0] == "第一卷 云 第一章 风"
