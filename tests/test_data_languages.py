"""Languages, titles by evidence, wrappers and authors' notes: each kind beside its prose."""

from __future__ import annotations

import textwrap

import pytest
from data_samples import STORY, novel

from styledial.data.cleaning.clean import clean
from styledial.data.cleaning.language import find_language
from styledial.data.cleaning.ledger import Ledger
from styledial.data.cleaning.numerals import value
from styledial.data.copies.pieces import Piece

SENTENCES = {
    "en": "The miller said that he had not seen the boat, and she was sure of it, “quite sure.”",
    "fr": "Il était une fois un meunier qui ne voulait pas que sa fille aille dans la forêt.",
    "de": "Der Müller sagte, dass er das Boot nicht gesehen hatte, und sie war sich sicher.",
    "es": "El molinero no había visto la barca, pero ella estaba muy segura de que era suya.",
    "ru": "Мельник сказал, что он не видел лодку, но она была уверена, что это его лодка.",
    "ko": "방앗간 주인은 배를 보지 못했다고 말했지만 그녀는 그것이 그의 배라고 확신했다.",
    "vi": "Người thợ xay nói rằng hắn không thấy chiếc thuyền, và đã có những người khác tin.",
}  # fmt: skip
BODIES = [novel(i, 1, 8).split("\n", 2)[2].strip() for i in range(4)]


def cleaned(text: str) -> list[Piece]:
    return list(clean(text.split("\n"), Ledger()))


def prose(text: str) -> str:
    return "\n".join(piece.text for piece in cleaned(text))


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_wrapped_lines_of_any_language_are_joined_with_spaces(code: str) -> None:
    assert find_language([SENTENCES[code]]).code == code
    paragraphs = [f"{n}. {SENTENCES[code]} " * 3 for n in range(100, 120)]
    text = "\n\n".join(textwrap.fill(p, 60, break_on_hyphens=False) for p in paragraphs)
    assert [row for row in prose(text).split("\n") if row] == [p.strip() for p in paragraphs]


@pytest.mark.parametrize("width", [56, 60, 64])
def test_a_dash_at_a_line_end_stands_as_the_book_sets_it(width: int) -> None:
    """Spanish was joined as English is: `Volvió.—No debiste —dijo`."""
    said = "El barquero volvió de noche. —No debiste volver —dijo Juana—, y calló. —Ya —dijo él. "
    paragraphs = [(f"{n} días después. " + said * 3).strip() for n in range(100, 120)]
    found = prose("\n\n".join(textwrap.fill(p, width) for p in paragraphs)).split("\n")
    assert [row for row in found if row] == paragraphs


def test_japanese_is_joined_without_spaces_and_unknown_text_has_no_language() -> None:
    assert find_language(["彼は提灯を持って、雨の中を歩いた。"]).code == "ja"
    assert find_language(["話說青石鎮上有一個打鐵的漢子。"]).code == "zh"
    assert find_language(["12345", ""]).code == "und"


@pytest.mark.parametrize(
    "line",
    [
        "He paused...  ‘Not now’, she said; ‘perhaps ... not.’",
        "Il dit\u00a0: «\u00a0Non\u00a0!\u00a0» et sortit...",
        "می\u200cخواهم به خانه بروم، او گفت.",
        "— Куда ты?.. — спросила она...  И ушла.",
    ],
)
def test_other_languages_keep_their_typography(line: str) -> None:
    assert prose("\n".join([line, line + "!", line])) == "\n".join([line, line + "!", line])


def test_broken_words_are_joined_and_compounds_keep_their_hyphen() -> None:
    rows = [
        "The work was done with a vigorous hand and the after-lecture debates went on until late",
        "in the night, for nobody of those who had come to hear the man had the wish to go vig-",
        "orous hand or not, and when the others had gone there was nothing left but the after-",
        "lecture quiet of an empty room in which nobody had cared to put the lamps out before we",
        "went home.",
    ]
    text = prose("\n\n".join("\n".join([*rows[:4], rows[4] + "!" * n]) for n in range(4)))
    assert "to go vigorous hand" in text
    assert "the after-lecture quiet" in text


def test_paragraphs_end_inside_a_line() -> None:
    parts = [row for row in STORY.split("\n") if row][:6]
    for end in ("\u2028", "\x85", "<br>", "</p><p>", "\u3000\u3000"):
        assert prose(end.join(parts)).split("\n") == parts


def test_hidden_characters_go_but_for_scripts_that_need_them() -> None:
    assert prose("雨\u2060停\u200d了\U000e0041。\ufe01") == "雨停了。"


@pytest.mark.parametrize(
    "form",
    [
        "{n:03}",
        "({n})",
        "{n:03} 夜雨",
        "{n}.夜雨",
        "☆、{n}、夜雨",
        "第{n}章：夜雨",
        "==第{n}章 夜雨==",
        "chapter.{n:03}",
        "Kafli {n}",
        "Глава {n}",
        "Chapitre {n}",
        "제{n}장",
        "第{n}話 雨",
        "Chương {n}",
        "บทที่ {n}",
        "第{n}章你是谁？",
        "第{n}章 夜雨（求月票）",
        "第{n}章 夜雨 更新时间：2012-3-4 字数：31",
    ],
)
def test_a_form_that_the_book_uses_in_sequence_heads_chapters(form: str) -> None:
    text = "\n".join(f"{form.format(n=n)}\n{body}" for n, body in enumerate(BODIES, 1))
    pieces = cleaned(text)
    assert len({piece.ordinal for piece in pieces}) == 4
    assert all(piece.chapter and "月票" not in piece.chapter for piece in pieces)
    assert prose(text) == "\n".join(BODIES).replace("　", "")


@pytest.mark.parametrize(
    "line",
    [
        "第一封信写得极短，只有八个字。",
        "第四本书记载着掌法，来自城西孙家。",
        "店家把那本书加入书架，转身去倒水。",
        "警方要求店主在24小时内删除那段视频。",
        "PS：别忘了喂猫。",
        "掌柜的感谢众人，又打赏了小二。",
    ],
)
def test_prose_that_mentions_these_things_stays(line: str) -> None:
    assert line in prose(STORY + line + "\n" + STORY.replace("陆", "林"))


def test_wrapped_part_i_is_no_title() -> None:
    assert "part I did with great vigour." in prose(
        "Chapter I\n\nHe knew of the\npart I did with great vigour."
    )


def test_authors_notes_go_at_the_ends_of_chapters() -> None:
    note = "PS：今天更新晚了，求月票。\n感谢书友的打赏，新书敬请期待。"
    text = f"第一章 雨\n{BODIES[0]}\n{note}\n第二章 夜\n{BODIES[1]}\n完本感言\n感谢各位读者。"
    assert prose(text) == f"{BODIES[0]}\n{BODIES[1]}".replace("　", "")


def test_gutenberg_and_aozora_leave_the_text() -> None:
    paragraph = textwrap.fill(SENTENCES["en"] * 3, 70).replace("boat", "_boat_", 1)
    book = (
        "The Project Gutenberg eBook of The Mill\n\nTitle: The Mill\n\n*** START OF THE PROJECT "
        f"GUTENBERG EBOOK THE MILL ***\n\nProduced by Nobody\n\nTHE MILL\n\nLONDON\n1899\n\n"
        f"CHAPTER I\n\n{paragraph}\n\n*** END OF THE PROJECT GUTENBERG EBOOK THE MILL ***\n\n"
        "Section 1. General Terms of Use\n"
    )
    assert prose(book).replace("\n", " ") == (SENTENCES["en"] * 3)
    rule = "-" * 55
    text = (
        f"港\n某\n\n{rule}\n【テキスト中に現れる記号について】\n\n《》：ルビ\n{rule}\n\n"
        "　｜古い波止場《はとば》に［＃傍点］誰もいない。\n\n底本：「港」\n入力：某"
    )
    assert prose(text) == "古い波止場に誰もいない。"


def test_numerals() -> None:
    written = {
        "一千零二十二": 1022,
        "壹拾贰": 12,
        "一一七": 117,
        "廿三": 23,
        "XIV": 14,
        "Ⅻ": 12,
        "⑫": 12,
    }
    assert {text: value(text) for text in written} == written
