"""Encodings are told by the likelihood of the language: right or refused, never another language."""

from __future__ import annotations

import random
import time
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from data_samples import STORY, TRADITIONAL
from prose_samples import ENCODINGS, PROSE

from styledial.data.reading.decode import detect, lines
from styledial.data.reading.encodings import decide, readings
from styledial.data.reading.sample import foreign_lines
from styledial.errors import DataError


def read(tmp_path: Path, raw: bytes) -> tuple[str, str]:
    path = tmp_path / "book.txt"
    path.write_bytes(raw)
    found = detect(path)
    return found.name, "\n".join(lines(path, found))


@pytest.mark.parametrize(
    ("language", "encoding"), [(lang, name) for lang, names in ENCODINGS.items() for name in names]
)
def test_a_page_is_read(tmp_path: Path, language: str, encoding: str) -> None:
    raw = PROSE[language].encode(encoding, "ignore")
    assert read(tmp_path, raw)[1] == raw.decode(encoding)


@pytest.mark.parametrize("cuts", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_cuts_are_right_or_refused(cuts: int) -> None:
    draw = random.Random(0)
    counts: Counter[str] = Counter()
    for _ in range(cuts):
        language = draw.choice(list(PROSE))
        encoding = draw.choice(ENCODINGS[language])
        length = draw.choice([15, 30, 60, 120])
        at = draw.randrange(len(PROSE[language]) - length)
        raw = PROSE[language][at : at + length].encode(encoding, "ignore")
        if raw.isascii():
            continue
        found = decide(readings(raw))
        if found is None:
            counts["refused", length] += 1
            continue
        assert found.text == raw.decode(encoding), (language, encoding)
        counts["right", length] += 1
    if cuts < 500:
        return  # too few to count
    assert counts["right", 120] > 0.9 * (counts["right", 120] + counts["refused", 120])
    assert counts["right", 15] > 0.5 * (counts["right", 15] + counts["refused", 15])


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (STORY.encode("utf-32-le"), "utf-32-le"),
        (PROSE["ru"].encode("utf-16-be"), "utf-16-be"),
        (PROSE["ja"].encode("iso2022_jp"), "iso2022_jp_ext"),
        (STORY.encode("hz"), "hz"),
    ],
)
def test_encodings_told_by_their_form(tmp_path: Path, raw: bytes, name: str) -> None:
    assert read(tmp_path, raw) == (name, raw.decode(name).rstrip("\n"))


def test_vietnamese_is_composed(tmp_path: Path) -> None:
    """cp1258 writes a tone as a character after its letter; models know the letter with it."""
    text = "Ông lái đò già thức dậy từ lúc trời chưa sáng, nằm nghe nước vỗ vào những cây cọc gỗ."
    raw = b"".join(_with_loose_tone(c) for c in text)
    assert read(tmp_path, raw) == ("cp1258", text)


def _with_loose_tone(letter: str) -> bytes:
    try:
        return letter.encode("cp1258")
    except UnicodeEncodeError:
        base, *marks = unicodedata.normalize("NFD", letter)
        tone = next(m for m in marks if m in "\u0300\u0301\u0303\u0309\u0323")
        shape = "".join(m for m in marks if m != tone)
        return (unicodedata.normalize("NFC", base + shape) + tone).encode("cp1258")


def test_two_encodings_in_one_file(tmp_path: Path) -> None:
    """Chapters pasted from two sites: the second half was read as garbage."""
    rows = STORY.strip().split("\n")
    raw = "\n".join(rows[:5]).encode() + b"\n" + "\n".join(rows[5:]).encode("gb18030")
    assert read(tmp_path, raw) == ("utf-8 + gb18030", "\n".join(rows))


def test_simplified_and_traditional_halves(tmp_path: Path) -> None:
    raw = STORY.encode("gb18030") * 3 + TRADITIONAL.encode("big5hkscs") * 3
    name, text = read(tmp_path, raw)
    assert set(name.split(" + ")) == {"gb18030", "big5hkscs"}
    assert text.strip() == (STORY * 3 + TRADITIONAL * 3).strip()


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        (STORY, "gb18030", "latin-1"),
        (PROSE["ru"], "cp1251", "latin-1"),
        (PROSE["ja"], "utf-8", "latin-1"),
        (PROSE["fr"].replace("’", "'"), "utf-8", "latin-1"),
    ],
)
def test_text_read_wrongly_once_is_undone(
    tmp_path: Path, text: str, right: str, wrong: str
) -> None:
    raw = text.encode(right).decode(wrong).encode("utf-8")
    assert read(tmp_path, raw)[1].strip() == text.strip()


@pytest.mark.parametrize(
    ("raw", "looks"),
    [
        (
            STORY.encode().decode("gb18030", "replace").encode(),
            "looks like UTF-8 that was read as GB18030",
        ),
        (
            STORY.encode("gb18030")
            .decode("utf-8", "replace")
            .encode()
            .decode("gb18030", "replace")
            .encode(),
            "锟斤拷",
        ),
        (STORY.encode("utf-7"), "is UTF-7"),
        (random.Random(1).randbytes(3000), "not text"),
    ],
)
def test_damaged_text_is_refused_by_what_it_looks_like(
    tmp_path: Path, raw: bytes, looks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    with pytest.raises(DataError, match=looks):
        read(tmp_path, raw)


@pytest.mark.parametrize(
    "text",
    [
        "Հին լաստավարը արթնացավ լուսաբացից առաջ և երկար լսում էր ջրի ձայնը։",
        "बूढ़ा नाविक भोर से पहले जागा और देर तक पानी की आवाज़ सुनता रहा।",
        "მოხუცმა მეზორემ გათენებამდე გაიღვიძა და დიდხანს უსმენდა წყლის ხმას.",
        "Hi, my naam is nie Öwürögürü nie, sê hy.",
    ],
)
def test_languages_without_a_table_stay_in_utf8(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, (text + "\n").encode() * 20)[0] == "utf-8"


def test_a_long_line_of_ascii_takes_no_time(tmp_path: Path) -> None:
    """A pattern went through the rest of the line from each of its letters: minutes for this."""
    path = tmp_path / "book.txt"
    path.write_bytes(b"word " * 100_000 + "\ncafé\r\nnaïve\rend".encode())
    began = time.process_time()
    assert foreign_lines(path) == ["café".encode(), "naïve".encode()]
    assert time.process_time() - began < 1


def test_windows_text_shown_as_controls_is_restored(tmp_path: Path) -> None:
    """cp1252 read as latin-1: refused where its marks were many, and lost where they were few."""
    text = "\n".join(["« Tu n’aurais pas dû revenir », dit-elle… Il se tut — enfin."] * 9)
    raw = text.encode("cp1252").decode("latin-1").encode("utf-8")
    assert read(tmp_path, raw)[1] == text


def test_a_line_of_another_script_is_no_mojibake(tmp_path: Path) -> None:
    """Three Russian lines in an English book were turned into signs of units by way of cp949."""
    english = "“You will not go,” said Martha, and she put the lamp upon the table.\n" * 3
    text = "Эта же книга в других форматах\nПелл Анна\nМельница\n" + english
    assert read(tmp_path, text.encode()) == ("utf-8", text.rstrip("\n"))


def test_letters_lost_to_question_marks_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    with pytest.raises(DataError, match="question marks stand in their place"):
        read(tmp_path, PROSE["ru"].encode("ascii", "replace"))
    asked = "What?? Who??! She had asked, and asked again, and nobody had told her anything.\n"
    assert read(tmp_path, asked.encode())[0] == "utf-8"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("बूढ़ा नाविक भोर से पहले जागा और देर तक पानी की आवाज़ सुनता रहा।\n" * 9, "utf-16-le"),
        ("Հին լաստավարը արթնացավ լուսաբացից առաջ և երկար լսում էր ջրի ձայնը։\n" * 9, "utf-16-be"),
        ("Não devias ter voltado, disse Joana. O cão não quis, e à mão não há pão.\n" * 9, "cp860"),
        ("Τον άφησε πιο δυνατά απ’ όσο ήθελε, κι απ’ όλα αυτ’ άκουγε μόνο το νερό.\n", "iso8859-7"),
    ],
    ids=["Hindi", "Armenian", "Portuguese DOS", "Greek elision"],
)
def test_encodings_that_were_refused_or_taken_for_others(
    tmp_path: Path, text: str, encoding: str
) -> None:
    assert read(tmp_path, text.encode(encoding))[1].strip() == text.strip()
