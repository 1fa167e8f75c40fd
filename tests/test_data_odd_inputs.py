"""Files as other programs leave them: written-out line ends, records of no known shape, XML, md."""

from __future__ import annotations

import base64
import io
import json
import quopri
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from data_samples import prose

from styledial.data.cleaning.ledger import Ledger
from styledial.data.pipeline import Prepared, prepare_folder
from styledial.data.reading.formats import format_lines

ROWS = prose(3000, seed=41).split("\n")[:20]


def prepared(tmp_path: Path, name: str, raw: bytes | str) -> tuple[Prepared, list[str]]:
    """What is made of one file, and the rows of its prose."""
    folder = tmp_path / "in"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    found = prepare_folder(folder, tmp_path / "store", 0.0, workers=1)
    return found, [row for p in found.passages() for row in p.text.split("\n")]


@pytest.mark.parametrize(
    "end",
    [
        "\r\r\n", "\\n", "\\r\\n\\r\\n", "&lt;br&gt;", "&lt;/p&gt;", "&nbsp;&nbsp;&nbsp;&nbsp;", "    ",
        "\u2003\u2003", "\u00a0\u00a0\u00a0\u00a0", "\x0b", "\x1e", "<BR>\n",
    ],
)  # fmt: skip
def test_a_paragraph_ends_however_it_is_written(tmp_path: Path, end: str) -> None:
    assert prepared(tmp_path, "a.txt", end.join(ROWS))[1] == ROWS


@pytest.mark.parametrize("end", ["\x0b", "\x1e", "\\n"])
def test_a_paragraph_of_english_ends_so_too(tmp_path: Path, end: str) -> None:
    """English with U+000B was refused as no text, and a written end behind a title stayed."""
    rows = [f"The ferry left at {n}, and nobody in the town had seen it." for n in range(9)]
    text = end.join(["Chapter 1: Rain", *rows, ""])
    assert prepared(tmp_path, "a.txt", text)[1] == rows


def test_one_written_line_end_in_a_sentence_stays(tmp_path: Path) -> None:
    rows = [*ROWS[:9], "他在键盘上敲了“abc\\ndef”。\\n是换行符。", *ROWS[9:]]
    assert prepared(tmp_path, "a.txt", "\n".join(rows))[1] == rows


TEXT = "\n".join(ROWS)


@pytest.mark.parametrize(
    "record",
    [
        {"meta": {"src": "a"}, "raw": TEXT},
        {"chapter": "第一章", "lines": ROWS},
        {"book": {"chapters": [{"name": "一", "content": TEXT}]}},
        {"text": {"zh": TEXT}},
    ],
    ids=lambda record: "-".join(record),
)
def test_the_one_long_value_under_a_known_key_is_the_text(
    tmp_path: Path, record: dict[str, object]
) -> None:
    assert prepared(tmp_path, "a.jsonl", json.dumps(record, ensure_ascii=False))[1] == ROWS


@pytest.mark.parametrize(
    "record", [{"prompt": TEXT}, {"c": TEXT}, {"one": TEXT, "two": TEXT}, {"url": TEXT}]
)
def test_of_several_or_of_a_question_none_is_taken(
    tmp_path: Path, record: dict[str, object]
) -> None:
    found, _ = prepared(tmp_path, "a.jsonl", json.dumps(record))
    assert not found.books[0].kept


def test_rows_of_a_data_sets_page_are_records(tmp_path: Path) -> None:
    page = {"rows": [{"row_idx": 0, "row": {"title": "第一章 雪", "text": TEXT}}]}
    found, rows = prepared(tmp_path, "a.json", json.dumps(page))
    assert rows == ROWS
    assert next(found.passages()).chapter == "第一章 雪"


def test_lines_of_objects_are_records_under_any_name(tmp_path: Path) -> None:
    raw = "\n".join(json.dumps({"text": row * 3}, ensure_ascii=False) for row in ROWS)
    assert prepared(tmp_path, "a.txt", raw)[1] == [row * 3 for row in ROWS]


def test_earlier_turns_of_a_pair_are_kept(tmp_path: Path) -> None:
    record = {"query": "三", "response": "四", "history": [["一", "二"]]}
    found, _ = prepared(tmp_path, "a.jsonl", json.dumps(record, ensure_ascii=False))
    (talk,) = found.dialogues()
    assert "".join(message["content"] for message in talk.messages) == "一二三四"


def test_an_archive_of_nothing_but_archives_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was `no text left after cleaning`."""
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inner.zip", b"PK\x05\x06" + bytes(18))
    found, _ = prepared(tmp_path, "a.zip", packed.getvalue())
    assert "holds no file of a kind that is read" in found.books[0].reason


def test_links_of_markdown_leave_their_words(tmp_path: Path) -> None:
    rows = ["# One", *ROWS[:9], "> 他说[渡口](http://a.example/b)近了。![船](x.png)"]
    found = prepared(tmp_path, "a.md", "\n\n".join(rows))[1]
    assert [row for row in found if row] == [*ROWS[:9], "他说渡口近了。"]


@pytest.mark.parametrize(
    "row",
    [
        "[旁白](轻声)他来了，你看。",
        "他在纸上写：[甲](乙)[丙](丁)。",
        "He [Tom](softly) said (and/or).",
    ],
)
def test_brackets_in_markdown_that_hold_no_address_stay(tmp_path: Path, row: str) -> None:
    """They lost the words in the second pair."""
    found = prepared(tmp_path, "a.md", "\n\n".join(["# One", *ROWS[:9], row]))[1]
    assert row in [kept.replace("（", "(").replace("）", ")") for kept in found]


def test_any_xml_is_paragraphs_by_element(tmp_path: Path) -> None:
    raw = "".join(f"<para>{row}<emph>了</emph></para>" for row in ROWS)
    page = f'<?xml version="1.0"?><book><ch><title>第一章 雪</title>{raw}</ch></book>'
    found, rows = prepared(tmp_path, "a.txt", page)
    assert rows == [f"{row}了" for row in ROWS]
    assert next(found.passages()).chapter == "第一章 雪"


def test_elements_within_a_sentence_do_not_break_it(tmp_path: Path) -> None:
    """It was five paragraphs, and a title within it a heading."""
    said = (
        "He met <persName>Tom <b>Jones</b></persName> in <placeName>Bath</placeName> on "
        "<date>May 3</date>, with <title>Emma</title>, and <q>Hello</q><q>you</q> was said."
    )
    rows = "".join(f"<p>{said}</p><l>{row}</l>" for row in ROWS[:3])
    _, kept = prepared(tmp_path, "a.xml.txt", f'<?xml version="1.0"?><doc><div>{rows}</div></doc>')
    plain = "He met Tom Jones in Bath on May 3, with Emma, and Helloyou was said."
    assert kept == [text for row in ROWS[:3] for text in (plain, row)]


def test_a_novel_that_begins_with_three_objects_is_no_file_of_records(tmp_path: Path) -> None:
    """Its other lines were dropped."""
    head = [json.dumps({"content": f"Header {i}"}) for i in range(3)]
    assert set(ROWS) <= set(prepared(tmp_path, "a.txt", "\n".join([*head, *ROWS]))[1])


def test_a_novel_that_begins_with_many_objects_is_no_file_of_records(tmp_path: Path) -> None:
    """The first 203 lines alone decided."""
    rows = [f'{{"log": {i}}}' for i in range(230)]
    _, kept = prepared(tmp_path, "a.txt", "\n".join([*rows, *ROWS]))
    assert kept == [*rows, *ROWS]


TURNS = '[{"role": "user", "content": "Who came?"}, {"role": "assistant", "content": "She did."}]'


def test_a_line_of_turns_is_a_dialogue(tmp_path: Path) -> None:
    """Each turn was read as a novel of its own."""
    found, kept = prepared(tmp_path, "a.jsonl", f"{TURNS}\n{TURNS.replace('She', 'He')}\n")
    assert (found.books[0].dialogues, kept) == (2, [])


def test_turns_without_their_dialogue_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    rows = TURNS.strip("[]").replace("}, {", "}\n{")
    found, _ = prepared(tmp_path, "a.jsonl", rows)
    assert "unknown shape, with the keys role, content" in found.books[0].reason


@pytest.mark.parametrize("head", ["id|text", "sep=|\nid|text"])
def test_a_table_may_have_any_mark_between_its_columns(tmp_path: Path, head: str) -> None:
    said = "\n".join(ROWS)
    _, kept = prepared(tmp_path, "a.csv", f'{head}\n1|"{said}"\n')
    assert kept == ROWS


def test_marks_in_the_last_column_are_of_the_text(tmp_path: Path) -> None:
    """What stood behind one that wasn't quoted was lost."""
    _, kept = prepared(tmp_path, "a.csv", f"id;text\n1;{ROWS[0]};{ROWS[1]}\n2;{ROWS[2]};;\n")
    assert kept == [f"{ROWS[0]};{ROWS[1]}", ROWS[2]]


def test_the_name_of_an_fb2_is_no_part_of_its_first_title(tmp_path: Path) -> None:
    rows = "".join(f"<p>{row}</p>" for row in ROWS)
    body = f"<title><p>Ann Pell</p><p>The Ferry</p></title><section><title><p>Chapter 1</p></title>{rows}"
    path = tmp_path / "a.fb2"
    path.write_text(f"<FictionBook><body>{body}</section></body></FictionBook>", encoding="utf-8")
    ledger = Ledger()
    assert list(format_lines(path, "fb2", ledger)) == ["# Chapter 1", *ROWS]
    assert ledger.drops.keys() == {"book title"}


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(99), "a 7z archive; unpack it"),
        ("a.tar.xz", b"\xfd7zXZ\0" + bytes(99), "an xz archive; unpack it"),
        ("a.doc", b"\xd0\xcf\x11\xe0" + bytes(99), "save it as .docx"),
    ],
)
def test_what_is_not_read_is_refused_by_what_it_is(
    tmp_path: Path, name: str, raw: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under their own names they were only `not a supported file type`."""
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / name).write_bytes(raw)
    (book,) = prepare_folder(tmp_path / "n", tmp_path / "s", 0.0, workers=1).books
    assert said in book.reason


def test_a_doc_that_is_a_page_is_read(tmp_path: Path) -> None:
    page = "<html><body><h1>Chapter 1</h1>" + "".join(f"<p>{row}</p>" for row in ROWS)
    assert prepared(tmp_path, "a.doc", page)[1] == ROWS


def test_fb2_may_have_prefixed_names(tmp_path: Path) -> None:
    rows = "".join(f"<fb:p>{row}</fb:p>" for row in ROWS)
    head = '<?xml version="1.0"?><fb:FictionBook><fb:description><fb:p>x</fb:p></fb:description>'
    book = f"{head}<fb:body><fb:section>{rows}</fb:section></fb:body></fb:FictionBook>"
    assert prepared(tmp_path, "a.fb2", book)[1] == ROWS


def test_a_record_with_text_and_a_row_keeps_its_text(tmp_path: Path) -> None:
    records = [{"text": row * 3, "row": {"id": i}} for i, row in enumerate(ROWS)]
    raw = json.dumps(records, ensure_ascii=False)
    assert prepared(tmp_path, "a.json", raw)[1] == [row * 3 for row in ROWS]


@pytest.mark.parametrize(
    ("code", "named"),
    [
        (quopri.encodestring, "quoted-printable"),
        (base64.encodebytes, "base64"),
        (lambda raw: quote(raw).encode(), "percent-encoded"),
        (lambda raw: raw.decode().encode("unicode_escape"), "escaped as"),
    ],
)
def test_text_in_ascii_codes_is_refused_by_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: Callable[[bytes], bytes],
    named: str,
) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    found, _ = prepared(tmp_path, "a.txt", code(TEXT.encode()))
    assert named in found.books[0].reason


def test_a_short_list_of_contents_is_no_title(tmp_path: Path) -> None:
    rows = ["第一章 雪", "第二章 月", "第一章 雪", *ROWS[:9], "第二章 月", *ROWS[9:]]
    found, kept = prepared(tmp_path, "a.txt", "\n".join(rows))
    assert [p.chapter for p in found.passages()] == ["第一章 雪", "第二章 月"]
    assert kept == ROWS


@pytest.mark.parametrize(
    "head",
    [
        "Category: Books\nGenre: Adventure\nPublished: 2012-01-01\nStory URL: http://a.example/1",
        "Title: The Ferry\nDate of first publication: 1930\nDate first posted: May 1, 2012",
    ],
)
def test_a_header_of_labels_goes(tmp_path: Path, head: str) -> None:
    rows = f"The Ferry\n\n{head}\n\nCHAPTER I\n\n{TEXT}\n\n[End of The Ferry, by A. Ferryman]"
    assert [row for row in prepared(tmp_path, "a.txt", rows)[1] if row] == ROWS


@pytest.mark.parametrize(
    "titles", [["The Ferry", "The Tower"], ["1. Ferry", "2. Tower", "3. Lamp"]]
)
def test_a_header_goes_where_titles_are_of_no_form_known_before(
    tmp_path: Path, titles: list[str]
) -> None:
    """It stayed as prose unless a title that needs no company ended it."""
    labels = ["Status", "Category", "Genre", "Language", "Published", "Packaged", "Rating", "Words"]
    head = "\n".join(f"{label}: x" for label in labels)
    parts = [f"{title}\n\n{TEXT}\n\n" for title in titles]
    _, kept = prepared(
        tmp_path, "a.txt", f"The Ferry\n\nby A.\n\n{head}\nSummary: y\nz\n\n{''.join(parts)}"
    )
    assert not {row for row in kept if row} - {*ROWS, *titles}
    assert set(ROWS) <= set(kept)


@pytest.mark.parametrize("titled", [False, True])
def test_a_header_takes_no_story_with_it(tmp_path: Path, titled: bool) -> None:
    """Without a blank line below the labels the whole book was a header; before a first title
    that stands late, all that was before it."""
    head = ["作者：小舟", "类型：短篇", "状态：完结", "字数：三千", "标签：乡村"]
    prologue = prose(9000, seed=43).split("\n")
    rows = [*head, *prologue, *(["第一章 雪", *ROWS[:3]] if titled else [])]
    kept = prepared(tmp_path, "a.txt", "\n".join(rows))[1]
    assert kept[: len(prologue)] == prologue


def test_a_story_that_begins_with_a_few_labels_stays(tmp_path: Path) -> None:
    head = ["Title: none", "Language: English, badly", "Rating: poor", "Status: wet"]
    assert prepared(tmp_path, "a.txt", "\n".join([*head, *ROWS]))[1][-len(ROWS) :] == ROWS
