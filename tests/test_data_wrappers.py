"""Wrappers of collections in other layouts, and what stands between them and the prose.

A title over verse or a letter, marks of notes, credits behind the last chapter, a page of rights.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from two_chapters import ONE, TWO, YI, cleaned, holds, text

START = (
    "The Project Gutenberg eBook of The Mill\n\nThis eBook is for the use of anyone anywhere. You "
    "may copy it under the terms of the Project Gutenberg License.\n\nTitle: The Mill\n\n"
    "*** START OF THE PROJECT GUTENBERG EBOOK THE MILL ***\n\n\nTHE MILL\n\nby Ann Author\n\n\n"
)
END = "\n\n*** END OF THE PROJECT GUTENBERG EBOOK THE MILL ***\n\nSTART: FULL LICENSE\n"
LONG = "The rain came down upon the slates of the old mill, and nobody in the village slept, " * 2


def gutenberg(path: Path, first: list[str], after: str = "") -> Path:
    rows = ["CHAPTER I", *first, "CHAPTER II", *TWO]
    return text(path / "mill.txt", START + "\n\n".join(rows) + after + END)


@pytest.mark.parametrize(
    ("first", "kept"),
    [
        ([f"{LONG}he said.[1]"], [f"{LONG}he said."]),
        ([f"{LONG}he said.[A]", "[Footnote A: Or so he thought.]"], [f"{LONG}he said."]),
        (["O river, river,\nsaid the mill,\nunder the hill\nlie still", f"{LONG}he said."], None),
    ],
    ids=["number", "letter", "verse"],
)
def test_a_chapter_of_gutenberg_keeps_its_title_and_beginning(
    tmp_path: Path, first: list[str], kept: list[str] | None
) -> None:
    """The first chapter's title and paragraph were dropped with the title page."""
    rows = [row for block in kept or first for row in block.split("\n")]
    wanted = [*rows, *ONE, *TWO]
    holds(gutenberg(tmp_path, [*first, *ONE]), wanted, ["CHAPTER I", "CHAPTER II"], {"title"})


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ("TRANSCRIBER'S NOTES\n\nObvious errors have been corrected.", "credits"),
        ("THE END\n\n*       *       *\n\n[Transcriber's Note: Hyphens as they were.]", "notice"),
        ("—— THE END ——", "notice"),
        ("FIN\n\nTABLE\n\nI.    1\nII.  35", "contents"),
    ],
)
def test_what_stands_behind_the_last_chapter_goes(tmp_path: Path, after: str, reason: str) -> None:
    made = gutenberg(tmp_path, ONE, "\n\n\n" + after)
    holds(made, ONE + TWO, ["CHAPTER I", "CHAPTER II"], {reason})


LIST = """BOOKS BY THE SAME AUTHOR

THE FERRY. Crown 8vo, 6s.

"A story of quiet power, which nobody who begins it will lay down."--_Spectator_.

THE LAMP. With a Frontispiece. Fcap. 8vo, 3s. 6d. net.

LONDON: SMITH & CO."""
EPILOGUE = [
    row.replace("one", "last") + (" He paid 6s. for it." if at % 5 == 4 else "")
    for at, row in enumerate(ONE)
]


@pytest.mark.parametrize(
    "rows",
    [
        LIST,
        "THE END\n\n\n\nNEW NOVELS\n\nCrown 8vo, 6s.\n\nTHE FERRY. 3s. 6d.\n\nTHE STILE. $1.50 net.",
        "THE END\n\n\nSMITH & CO., PUBLISHERS\n\nTHE FERRY. 6s.\n\nTHE LAMP. 6s.\n\nTHE STILE. 2s.",
        "FIN\n\n\nDU MÊME AUTEUR\n\nLe Bac, 3 fr. 50\n\nLa Lampe, 1 vol. 3 fr. 50\n\nLe Pont. 2 fr.",
    ],
    ids=["by heading", "new novels", "below the end", "French"],
)
@pytest.mark.parametrize("licensed", [True, False])
def test_a_publishers_list_behind_the_last_chapter_goes(
    tmp_path: Path, rows: str, licensed: bool
) -> None:
    body = "\n\n".join(["CHAPTER I", *ONE, "CHAPTER II", *TWO]) + "\n\n\n\n" + rows
    made = text(tmp_path / "mill.txt", START + body + END if licensed else body)
    holds(made, ONE + TWO, ["CHAPTER I", "CHAPTER II"], {"advertisement"})


@pytest.mark.parametrize("head", ["THE END", "NEW NOVELS", "ADVERTISEMENTS"])
def test_an_epilogue_with_prices_is_no_publishers_list(tmp_path: Path, head: str) -> None:
    made = gutenberg(tmp_path, [f"{LONG}he said."], "\n\n\n" + "\n\n".join([head, *EPILOGUE]))
    assert cleaned(made)[0][-len(EPILOGUE) :] == EPILOGUE


def test_a_chapter_of_gutenberg_that_opens_in_dialogue_keeps_it(tmp_path: Path) -> None:
    """What stood before the first paragraph of a hundred characters went with the title page."""
    said = [f"“Then we shall go at {hour},” said the ferryman." for hour in range(20)]
    holds(
        gutenberg(tmp_path, [*said, f"{LONG}he said."]),
        [*said, f"{LONG}he said.", *TWO],
        ["CHAPTER I", "CHAPTER II"],
        {"title page"},
    )


@pytest.mark.parametrize("title", ["I\n\nThe Ferry", "THE FERRY"])
def test_short_sentences_that_open_the_first_chapter_stay(tmp_path: Path, title: str) -> None:
    """They were taken for lines of the title page where no strong title stood above them."""
    short = [
        "It rained.",
        "Nobody came that day.",
        "She waited.",
        "There was no light.",
        "So it is.",
    ]
    rows = [title, *short, f"{LONG}he said.", *TWO]
    made = text(tmp_path / "mill.txt", START + "\n\n".join(rows) + END)
    found = cleaned(made)[0]
    assert [row for row in found if row in short] == short
    assert not {"by Ann Author", "THE MILL"} & set(found)


def test_marks_of_notes_go_where_the_notes_are_far_behind(tmp_path: Path) -> None:
    marked = [f"{ONE[0]}[1]", *ONE[1:5], f"{ONE[5]}[2]", *ONE[6:]]
    made = gutenberg(tmp_path, marked, "\n\nFOOTNOTES:\n\n[1] A mill.\n\n[2] Another.")
    assert cleaned(made)[0] == ONE + TWO


@pytest.mark.parametrize(
    "note",
    [
        "[Transcriber's Note: Spelling kept as printed].",
        "[Transcriber's Note: Spelling kept as printed.",
        "[Transcriber's Note: Kept.] The cover is in the public domain.",
    ],
)
def test_a_note_that_does_not_end_in_its_bracket_takes_no_prose(tmp_path: Path, note: str) -> None:
    """All that followed it in the book went."""
    rows = ["CHAPTER I", *ONE, note, "CHAPTER II", *TWO]
    made = text(tmp_path / "a.txt", "\n\n".join(rows))
    holds(made, ONE + TWO, ["CHAPTER I", "CHAPTER II"], {"footnote"})


@pytest.mark.parametrize("heading", ["FOOTNOTES:", "TRANSCRIBER'S NOTES"])
def test_a_story_behind_notes_stays_without_a_number(tmp_path: Path, heading: str) -> None:
    """Up to its 20,000th character it went with the notes, to the next title with a number."""
    parts = ["CHAPTER I", *ONE, f"{heading}\n\n[1] A note.\n\n\nTHE MILL", *TWO]
    made = text(tmp_path / "a.txt", START + "\n\n".join(parts) + END)
    assert [row for row in cleaned(made)[0] if row != "THE MILL"] == ONE + TWO


def test_numbers_in_brackets_that_count_nothing_stay(tmp_path: Path) -> None:
    rows = [f"{ONE[0]}[4]", *ONE[1:5], f"{ONE[5]}[2]", *TWO]
    assert cleaned(text(tmp_path / "a.txt", "\n\n".join(rows)))[0] == rows


def test_the_canadian_library(tmp_path: Path) -> None:
    head = (
        "* A Distributed Proofreaders Canada eBook *\n\nThis eBook is made available at no cost and "
        "with very few restrictions.\n\n_Title:_ The Mill\n_Author:_ Ann Author\n_Date first "
        "posted:_ March 1, 2018\nFaded Page eBook #20180301\n\nThis eBook was produced by: Somebody"
        "\n\n\nTHE MILL\n\nBY\n\nANN AUTHOR\n\n\n"
    )
    rows = ["CHAPTER I", *ONE, "CHAPTER II", *TWO, "[The end of _The Mill_ by Ann Author]"]
    made = text(tmp_path / "a.txt", head + "\n\n".join(rows))
    holds(made, ONE + TWO, ["CHAPTER I", "CHAPTER II"], {"licence", "notice"})


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("Анна Пелл\nМельница\n\n© А. Пелл, 2015\n\nВсе права защищены. Никакая часть.", "imprint"),
        ("The Mill\nCopyright © 2015 Ann Author\nAll rights reserved.\nISBN 978-1-23", "imprint"),
        ("Эта же книга в других форматах: http://lib.example/a\nПелл Анна\nМельница", "navigation"),
    ],
)
def test_a_page_of_rights_before_the_first_title_goes(
    tmp_path: Path, head: str, reason: str
) -> None:
    made = text(tmp_path / "a.txt", "\n\n".join([head, "Chapter 1", *ONE, "Chapter 2", *TWO]))
    holds(made, ONE + TWO, ["Chapter 1", "Chapter 2"], {reason})


def test_a_prologue_behind_a_page_of_rights_stays(tmp_path: Path) -> None:
    rows = ["© 2015 Ann Author", *ONE, "Chapter 1", *TWO]
    assert cleaned(text(tmp_path / "a.txt", "\n\n".join(rows)))[0] == ONE + TWO


def test_a_prologue_above_a_line_of_rights_stays(tmp_path: Path) -> None:
    rows = [*ONE[:8], "© 2015 Ann Author", "Chapter 1", *TWO]
    assert cleaned(text(tmp_path / "a.txt", "\n\n".join(rows)))[0] == ONE[:8] + TWO


def test_a_fan_translations_credits_go(tmp_path: Path) -> None:
    head = (
        "渡口 第一卷\n\n作者：江上客\n插画：阿墨\n译者：小鱼\n扫图：小桥\n\n仅供个人学习交流使用\n"
    )
    made = text(tmp_path / "a.txt", head + "\n第一章 渡口\n" + "\n".join(YI))
    holds(made, YI, ["第一章 渡口"], {"header"})


def test_a_page_of_wikisource_without_a_known_title(tmp_path: Path) -> None:
    head = "Le Moulin/1\n\n← Le Moulin\n\nAnne Pell\nCalmann-Lévy, 1888 (p. 1-20).\nII →\n\n"
    tail = "\n\nRécupérée de « https://fr.wikisource.org/w/index.php?title=Le_Moulin/1 »\n"
    made = text(tmp_path / "a.txt", head + "\n\n".join(ONE) + tail)
    holds(made, ONE, [None], {"title page", "navigation"})
