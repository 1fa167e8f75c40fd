"""Letters that a program which prints left in another form read as those that they stand for."""

from __future__ import annotations

import unicodedata

import pytest
from data_samples import STORY

from styledial.data.cleaning.clean import clean
from styledial.data.cleaning.ledger import Ledger
from styledial.data.cleaning.letter_forms import as_written


@pytest.mark.parametrize(
    ("printed", "written"),
    [
        ("⻛吹⻔开，⼀匹⽩⻢⻜奔⽽来", "风吹门开，一匹白马飞奔而来"),
        ("⼤門外⾛來⼀⼈，⼾外有⾵聲", "大門外走來一人，戶外有風聲"),
        ("他⼀推⼾，⻅⼈便笑", "他一推户，见人便笑"),
        ("⼾を叩く⾳がした", "戸を叩く音がした"),
        ("﹁何者だ﹂︑と言った︒", "「何者だ」、と言った。"),
        ("the oﬃce of the ﬁrst ﬂoor", "the office of the first floor"),
        (unicodedata.normalize("NFD", "Chương Một"), "Chương Một"),
        (unicodedata.normalize("NFD", "йод, ёлка, ガラス, 나루터"), "йод, ёлка, ガラス, 나루터"),
    ],
)
def test_forms_of_print_become_letters(printed: str, written: str) -> None:
    assert as_written(printed) == written


@pytest.mark.parametrize(
    "text", ["за́мок и замо́к", "神社の福﨑さん", "樂園", "שָׁלוֹם", "हिन्दी", "ᄒᆞᆫ글", "a¨ ^ x²", "①Ⅳ％"]
)
def test_letters_without_another_form_stay(text: str) -> None:
    assert as_written(text) == text


def test_titles_of_a_printed_book_are_found() -> None:
    chapter = STORY.replace("一", "⼀").replace("大", "⼤")
    pieces = list(clean(f"第⼀章\n{chapter}\n第⼆章\n{chapter[:400]}".split("\n"), Ledger()))
    assert {piece.chapter for piece in pieces} == {"第一章", "第二章"}
    assert not any("⼀" in piece.text or "⼤" in piece.text for piece in pieces)
