"""Titles without a number, words at a book's end, marks of pages: each beside the prose like it."""

from __future__ import annotations

import textwrap

import pytest
from test_data_titles import cleaned, story
from two_chapters import ONE, TWO

EN = [*ONE, *TWO]  # 24 rows
ZH = story()
NAMES = ["The Ferry", "A Mill by the River", "Snow", "The Clock"]
HAN = ["渡口", "夜雨", "旧信", "雪地"]


def book(heads: list[str], rows: list[str], between: str = "\n\n") -> list[str]:
    """A book of chapters, six rows each, two blank lines before each title."""
    parts = [between.join([head, *rows[6 * i : 6 * i + 6]]) for i, head in enumerate(heads)]
    return "\n\n\n".join(parts).split("\n")


@pytest.mark.parametrize(
    "made",
    [
        ["CONTENTS", "", *(f"{name}   {n}9" for n, name in enumerate(NAMES)), "", *book(NAMES, EN)],
        ["Contents", *NAMES, "", "", *book([name.upper() for name in NAMES], EN)],
        book([name.upper() for name in NAMES], [row * 2 for row in EN]),
        ["目录", *HAN, "", *book(HAN, ZH, "\n")],
    ],
    ids=["listed with pages", "listed", "capitals", "listed in Chinese"],
)
def test_names_alone_are_titles_where_the_book_shows_it(made: list[str]) -> None:
    chapters, kept, _ = cleaned(made)
    titles = [title.casefold() for title in chapters.values() if title]
    assert titles in ([name.casefold() for name in NAMES], HAN)
    assert len(kept) == 24


def test_a_list_of_names_in_quotes_with_a_line_on_each() -> None:
    names = [f"“{name}”" for name in NAMES]
    told = "In which nobody comes to the ferry, and the lamp goes out before morning."
    listed = [row for name in names for row in (name, f"    {told}")]
    chapters, kept, _ = cleaned(["Contents", *listed, "", "", *book(names, EN)])
    assert (list(chapters.values())[-4:], kept[-24:]) == (names, EN)


@pytest.mark.parametrize(
    ("heads", "rows", "between"),
    [
        ([f"CHAPTER {n}\n\n{name}" for n, name in zip("IV", NAMES[:2], strict=True)], EN, "\n\n"),
        ([f"CHAPTER {n}\n\n{name}" for n, name in enumerate(NAMES, 1)], EN, "\n\n"),
        (
            [f"ГЛАВА {n}\n\n{name}" for n, name in enumerate(("Паром", "Снег", "Дом"), 1)],
            EN,
            "\n\n",
        ),
        ([f"第{n}章\n{name}" for n, name in zip("一二三四", HAN, strict=True)], ZH, "\n"),
    ],
    ids=["two are too few", "English", "Russian", "Chinese"],
)
def test_a_line_below_each_number_names_its_chapter(
    heads: list[str], rows: list[str], between: str
) -> None:
    chapters, kept, _ = cleaned(book(heads, rows, between))
    wanted = [" ".join(head.split()) for head in heads]
    if len(heads) < 3:
        assert (list(chapters.values()), len(kept)) == (["CHAPTER I", "CHAPTER V"], 14)
    else:
        assert (list(chapters.values()), len(kept)) == (wanted, 6 * len(heads))


@pytest.mark.parametrize(
    "first",
    [
        "The rain came down\nupon the slates of night\nand no one woke",
        "“Yes,” said Ruth.\n\n“No,” said Tom.",
        "Rain!\n\nMore rain!",
        textwrap.fill(" ".join(ONE[:3]), 50),
    ],
    ids=["verse", "talk", "cries", "wrapped"],
)
def test_what_a_chapter_begins_with_is_no_name(first: str) -> None:
    rows = [row for i in range(4) for row in (first, *EN[6 * i + 1 : 6 * i + 6])]
    chapters, kept, _ = cleaned(book([f"CHAPTER {n}" for n in range(1, 5)], rows))
    assert list(chapters.values()) == [f"CHAPTER {n}" for n in range(1, 5)]
    assert sum(row.startswith(first.split("\n")[0].split(" ")[0]) for row in kept) >= 4


@pytest.mark.parametrize(
    ("heads", "rows", "first", "between"),
    [
        (["Chapter I\n\nSnow", "Chapter II\n\nIce", "Chapter III\n\nRain"], EN, "London, 1880", 2),
        (
            [f"第{n}章\n{name}" for n, name in zip("一二三四", HAN, strict=True)],
            ZH,
            "夜雨十年灯",
            1,
        ),
    ],
    ids=["date", "verse"],
)
def test_what_follows_a_name_below_its_number_is_no_more_of_it(
    heads: list[str], rows: list[str], first: str, between: int
) -> None:
    """The date of a letter, or a line of verse, became part of the title."""
    ends = "\n" * between
    chapters, kept, _ = cleaned(book([head + ends + first for head in heads], rows, ends))
    assert list(chapters.values()) == [" ".join(head.split()) for head in heads]
    assert kept.count(first) == len(heads)


def test_short_lines_of_prose_under_another_list_of_contents_stay() -> None:
    """The list's own names never came again, so that 400 lines of prose were taken for names."""
    said = ["“走吧。”", "三天后", "“谁？”", "与此同时"]
    told = [
        said[n // 40 % 4] if n % 40 == 9 else f"渡口的雨下了{n}天，船还没有来。" for n in range(600)
    ]
    heads = [f"第{n}章 {name}" for n, name in zip("一二三四", HAN, strict=True)]
    listed = ["目录", *(f"第{n}章 {name}" for n, name in enumerate(HAN, 1)), ""]
    made = [row for i, head in enumerate(heads) for row in (head, *told[150 * i : 150 * i + 150])]
    chapters, kept, _ = cleaned([*listed, *made])
    assert (list(chapters.values()), kept) == (heads, told)


def test_a_sign_in_a_book_whose_titles_are_in_capitals_stays() -> None:
    made = book([name.upper() for name in NAMES], [row * 2 for row in EN])
    at = made.index(EN[8] * 2)
    chapters, kept, _ = cleaned([*made[:at], "NO TRESPASSING", "", *made[at:]])
    assert list(chapters.values()) == [name.upper() for name in NAMES]
    assert "NO TRESPASSING" in kept


@pytest.mark.parametrize(
    "rows",
    [
        [*EN[:8], "NO ENTRY", *EN[8:16], "THE FERRYMAN’S ARMS", *EN[16:], "CLOSED"],
        [row for i, line in enumerate(EN) for row in (("RUTH", "TOM")[i % 2], line)],
        ["CHAPTER I", *EN[:8], "Contents", "three coins", "a letter", "one glove", *EN[8:]],
    ],
    ids=["signs", "speakers", "a box"],
)
def test_lines_alone_that_head_no_chapter_stay(rows: list[str]) -> None:
    chapters, kept, _ = cleaned("\n\n".join(rows).split("\n"))
    titled = rows[0] == "CHAPTER I"
    wanted = (["CHAPTER I"], rows[1:]) if titled else ([None], rows)
    assert (list(chapters.values()), kept) == wanted


@pytest.mark.parametrize(
    "end",
    [
        "FINIS", "THE END OF THE FERRYMAN", "FIN DE LA NOVELA", "Ende des ersten Bandes",
        "КІНЕЦЬ", "ΤΕΛΟΣ", "HẾT", "จบบริบูรณ์", "النهاية", "تمت", "סוף", "समाप्त", "（了）", "<끝>",
        "(완)", "（全书终）", "(大结局)", "《渡口》完", "（全書完）",
    ],
)  # fmt: skip
def test_a_word_for_the_end_goes_behind_the_last_chapter(end: str) -> None:
    assert cleaned([*book(["第一章 雪", "第二章 月"], ZH, "\n"), end])[1] == ZH[:12]


@pytest.mark.parametrize(
    "end", ["Fine.", "Son", "The end of it", "大结局是什么", "他说全完了", "끝이다"]
)
def test_a_sentence_with_such_a_word_stays(end: str) -> None:
    assert cleaned([*book(["第一章 雪", "第二章 月"], ZH, "\n"), end])[1] == [*ZH[:12], end]


@pytest.mark.parametrize(
    ("sentence", "end", "goes"),
    [
        ("Il traghetto non era partito, e nessuno che lo sapeva era più con noi.", "FINE", True),
        ("Vapur gitmedi, ve hiç kimse bunun için bir şey demedi.", "SON", True),
        ("The ferry had gone, and nobody was there to ask for it.", "FINE", False),
        ("The ferry had gone, and nobody was there to ask for it.", "SON", False),
    ],
)
def test_a_word_for_the_end_that_english_has_too_ends_books_of_its_language(
    sentence: str, end: str, goes: bool
) -> None:
    """FINE, sent as a message, was the last word of an English chapter."""
    rows = [f"{number}. {sentence}" for number in range(9)]
    assert cleaned(["Chapter 1", *rows, end])[1] == (rows if goes else [*rows, end])


@pytest.mark.parametrize("mark", ["[Pg {}]", "[Page {}]", "{{{}}}"])
def test_marks_of_pages_go(mark: str) -> None:
    rows = [row.replace(" the ", f" the {mark.format(7 + n)} ", 1) for n, row in enumerate(EN)]
    assert cleaned("\n\n".join(["CHAPTER I", *rows]).split("\n"))[1] == EN


def test_numbers_in_braces_and_equals_signs_stay() -> None:
    rows = [
        "She had {12} of them, and {3} more.",
        "She ate a [Pill] and another [Pill] .",
        "He wrote x = 3 and y=4, and = was all.",
        *EN,
    ]
    assert cleaned("\n\n".join(["CHAPTER I", *rows]).split("\n"))[1] == rows
    bold = [EN[0].replace("rain", "=rain="), *EN[1:]]
    assert cleaned("\n\n".join(["CHAPTER I", *bold]).split("\n"))[1] == EN
