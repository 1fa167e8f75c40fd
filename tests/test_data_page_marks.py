"""Page numbers, running heads and marks at each line of a text go; chapters' numbers stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from styledial.data.cleaning.clean import clean
from styledial.data.cleaning.ledger import Ledger
from styledial.data.reading.read import read

STORY = (
    "The rain had stopped before the ferry came in, and the women were folding umbrellas. Marta "
    "counted the crates twice, because the first number had not pleased her. By noon the fog was "
    "back, and with it the smell of tar and oranges. Behind the customs shed two boys threw stones "
    "at a bottle; neither hit it. The letter was still in her coat, soft as cloth from being read."
)
WORDS = STORY.split()
PAGES = [" ".join(WORDS[i : i + 12]) for i in range(0, len(WORDS) - 12, 12)]
CHINESE = "那年秋天水退以后他在船头多摆了一双鞋鞋底是新纳的针脚细密只有老艄公什么也不"


def prose(text: str) -> tuple[str, Ledger]:
    ledger = Ledger()
    return "\n".join(piece.text for piece in clean(text.split("\n"), ledger)), ledger


@pytest.mark.parametrize(
    ("mark", "reasons"),
    [
        ("- {} -", {"page number"}),
        ("                {}", {"page number"}),
        ("[{}]", {"page number"}),
        ("Page {}", {"page number"}),
        ("{}\n\x0cTHE FERRY", {"page number", "running head"}),
        ("THE FERRY\n{}", {"page number", "running head"}),
    ],
)
def test_pages_leave_no_trace(mark: str, reasons: set[str]) -> None:
    text = "".join(f"{page}\n\n{mark.format(i)}\n\n" for i, page in enumerate(PAGES, 7))
    found, ledger = prose(text)
    assert found == "\n".join(PAGES)  # without blank lines, which would part a sentence
    assert reasons <= ledger.drops.keys()


def test_who_speaks_below_a_page_number_is_no_running_head() -> None:
    rows = [f"HAMLET\nmy lord\nHORATIO\nyes\nHAMLET\n{page}" for page in PAGES]
    text = "\n".join(f"{row}\n{i}" for i, row in enumerate(rows, 7))
    found, ledger = prose(text)
    assert found.split().count("HAMLET") == 2 * len(PAGES)
    assert ledger.drops.keys() == {"page number"}


def test_pages_of_a_chinese_book() -> None:
    text = "".join(f"{CHINESE}\n\n第{i}页\n\n" for i in range(3, 9))
    assert "页" not in prose(text)[0]


@pytest.mark.parametrize(
    "text",
    [
        "\n\n".join(f"{i}\n\n{STORY}" for i in range(1, 7)),
        "\n\n".join(f"{i}\n\nWhere the river goes\nThere the lantern slows" for i in range(1, 9)),
        "\n\n".join(f"{i}\n\n船到江心浪头起\n灯火揉成一团烟" for i in range(1, 9)),
        "He counted\n1\nand then\n2\nand stopped.",
        "They counted\n1,\n2,\n3,\n4,\nand ran into the dark.",
    ],
)
def test_numbers_of_chapters_and_stanzas_are_no_pages(text: str) -> None:
    assert "page number" not in prose(text)[1].drops


@pytest.mark.parametrize("mark", ["> ", ">> ", "{:>6}\t", "{}. ", "[{}] ", "{:04}  "])
def test_marks_at_each_line_go(mark: str) -> None:
    rows = [f"On day {i}, a boat came up the river and nobody left it." for i in range(1, 31)]
    text = "\n".join(mark.format(i) + row for i, row in enumerate(rows, 5))
    found, ledger = prose(text)
    assert found.split("\n") == rows
    assert "line mark" in ledger.drops


def test_a_list_keeps_the_numbers_that_its_author_wrote() -> None:
    text = "\n".join(f"{i}、夜里不得外出，违者第{i}次重罚。" for i in range(1, 31))
    assert prose(text)[0] == text


def test_a_list_in_a_story_keeps_its_numbers() -> None:
    rows = [f"{i}. a boat of the kind that nobody here had ever seen before." for i in range(1, 9)]
    text = "\n".join([STORY, *rows, STORY.replace("rain", "snow"), "It ended so."])
    assert "3. a boat" in prose(text)[0]


def test_the_end_of_a_wrapped_sentence_is_no_title() -> None:
    """`number 14.` alone on its line, where the width of the page broke the sentence."""
    parts = [
        f"{STORY} {STORY}\nShe left it where she had found it, under the tree that had the\nnumber {i}.\n"
        for i in range(11, 16)
    ]
    pieces = list(clean("\n".join([*parts, STORY]).split("\n"), Ledger()))
    assert {piece.chapter for piece in pieces} == {None}


@pytest.mark.parametrize("line", ["=", "-", "~"])
def test_underlined_titles_are_titles(line: str) -> None:
    names = ["The Ferry", "A Bottle", "Tar and Oranges"]
    texts = [" ".join(WORDS[i:] + WORDS[:i]) for i in (0, 20, 40)]
    rows = [f"{a}\n{line * len(a)}\n\n{b}\n" for a, b in zip(names, texts, strict=True)]
    text = "\n".join(rows)
    pieces = list(clean(text.split("\n"), Ledger()))
    assert [piece.chapter for piece in pieces] == names


def test_a_line_below_a_table_or_a_sentence_is_no_underline() -> None:
    text = (
        f"{STORY}\nName   Age\n-------------------\n{STORY}\nHe sat down.\n------------\nIt rained."
    )
    assert {piece.chapter for piece in clean(text.split("\n"), Ledger())} == {None}


def test_a_page_on_one_line_is_parted_at_its_titles() -> None:
    parts = ["雨停了。", "“走吧。”", "他走了。", "天黑了。"]
    text = "".join(f"第{n}章 渡口　　" + "　　".join(parts) for n in "一二三")
    pieces = list(clean([text], Ledger()))
    assert [piece.chapter for piece in pieces] == [f"第{n}章 渡口" for n in "一二三"]
    assert [piece.text.split("\n") for piece in pieces] == [parts] * 3


def test_notes_of_markdown_go(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(f"## One\n\n{STORY}[^1]\n\n[^1]: Of a boat.\n    And more.\n\nIt rained[^2].\n")
    ledger = Ledger()
    text = "\n".join(part.piece.text for part in read(path, ledger, False)[1])
    assert text == f"{STORY}\n\nIt rained."
    assert ledger.drops["footnote"] == len("[^1]: Of a boat.    And more.")


def test_rows_of_stars_below_a_line_are_no_underline() -> None:
    """They part scenes."""
    story = STORY.replace(". ", ".\n")
    text = "\n".join([story, "No one", "******", story, "No one", "******", story])
    pieces = list(clean(text.split("\n"), Ledger()))
    assert {piece.chapter for piece in pieces} == {None}
    assert "\n".join(piece.text for piece in pieces).count("No one") == 2
