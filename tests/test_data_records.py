"""Records in every common shape: read, or refused with the keys that they have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from data_samples import STORY, novel

from styledial.data.dialogues import read_messages
from styledial.data.passage import Passage
from styledial.data.pipeline import Prepared, prepare_folder
from styledial.data.reading.shapes import settled
from styledial.data.texts import general_passages

TEXT = STORY.strip()
ROWS = TEXT.split("\n")
Q, A = "天色已晚，往哪里去？", "往青石镇去。"
ASKED = [{"role": "user", "content": Q}, {"role": "assistant", "content": A}]


def run(at: Path) -> tuple[Prepared, list[Passage]]:
    prepared = prepare_folder(at, at.parent / "store", 0.0, workers=1)
    return prepared, list(prepared.passages())


def written(at: Path, name: str, raw: str) -> Path:
    (at / "n").mkdir()
    (at / "n" / name).write_text(raw, encoding="utf-8")
    return at / "n"


def dumped(value: Any, **how: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **how)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("lines.json", dumped({"text": TEXT}) + "\n" + dumped({"text": None})),
        ("pretty.jsonl", dumped({"text": TEXT}, indent=2) + "\n" + dumped({"text": ""}, indent=2)),
        ("array.jsonl", dumped([{"text": TEXT}])),
        ("array_over_lines.jsonl", dumped([{"text": TEXT}], indent=1)),
        ("strings.json", dumped([TEXT])),
        ("wrapper.json", dumped({"version": 1, "data": [{"text": TEXT}]})),
        ("chapters.json", dumped({"book": "x", "chapters": [{"content": TEXT}]})),
        ("content.jsonl", dumped({"content": TEXT})),
        ("field.jsonl", dumped({"id": 1, "novel_content": TEXT})),
        ("list.jsonl", dumped({"text": ROWS})),
        ("html.jsonl", dumped({"text": "".join(f"<p>{row}</p>" for row in ROWS)})),
        ("comma.json", '[{"text": ' + dumped(TEXT) + "},]"),
        ("python.json", repr([{"text": TEXT}])),
        ("no_question.jsonl", dumped({"instruction": "", "input": "", "output": TEXT})),
        ("mark.jsonl", "\ufeff" + dumped({"text": TEXT})),
        (
            "array_a_line.jsonl",
            "[\n" + dumped({"text": TEXT}) + ",\n" + dumped({"text": ""}) + "\n]",
        ),
        ("capitals.jsonl", dumped({"Text": TEXT})),
        ("inner.jsonl", dumped({"content": {"text": TEXT}})),
        ("paragraphs.jsonl", dumped({"paragraphs": [{"text": row} for row in ROWS]})),
        ("headless.csv", '"' + TEXT + '"\n'),
    ],
)
def test_text(tmp_path: Path, name: str, raw: str) -> None:
    _, passages = run(written(tmp_path, name, raw))
    assert [p.text for p in passages] == [TEXT]


@pytest.mark.parametrize("outer", ["", "chapters"])
def test_chapters_by_their_titles(tmp_path: Path, outer: str) -> None:
    book = {"第一章 雪": TEXT, "第二章 月": novel(1, 1, 6).split("\n", 1)[1].strip()}
    _, passages = run(written(tmp_path, "a.json", dumped({outer: book} if outer else book)))
    assert [p.chapter for p in passages] == list(book)


def test_dialogues_that_nothing_can_be_learnt_from_are_refused_by_their_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their file was `no text left after cleaning`."""
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    prepared, _ = run(written(tmp_path, "a.jsonl", dumped({"dialog": [Q, A]})))
    assert "unknown shape, with the keys dialog" in prepared.books[0].reason


def test_a_title_beside_the_text_is_its_chapter(tmp_path: Path) -> None:
    _, passages = run(written(tmp_path, "a.jsonl", dumped({"title": "夜雨", "content": TEXT})))
    assert [(p.chapter, p.text) for p in passages] == [("夜雨", TEXT)]


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": Q, "completion": A},
        {"prompt": ASKED[:1], "completion": ASKED[1:]},
        {"chosen": ASKED, "rejected": [ASKED[0], {"role": "assistant", "content": "不。"}]},
        {"messages": json.dumps(ASKED)},
        {"question": Q, "answer": A},
        {"question": Q, "answer": {"text": A, "start": 4}},
        {"question": Q, "answers": [A, "不。"]},
        {"user": Q, "assistant": A},
        {"Problem": Q, "Solution": A},
        {"input": Q, "output": A},
        {"instruction": Q, "response": A},
        {"conversation": [{"human": Q, "assistant": A}]},
        {"conversation": [{"system": "", "input": Q, "output": A}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": Q}]}, ASKED[1]]},
        {"messages": [*ASKED, {"role": "user", "content": "多谢。"}]},
        {"messages": [{"role": "assistant", "content": "客官请。"}, *ASKED]},
        {"conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": A}]},
        {
            "messages": [
                ASKED[0],
                {"role": "assistant", "content": "", "tool_calls": [{}]},
                {"role": "tool", "content": "x"},
                ASKED[1],
            ]
        },
    ],
)
def test_dialogues(record: dict[str, Any]) -> None:
    assert read_messages(settled(record)) == ASKED


def test_an_unknown_shape_is_refused_with_its_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """These files were called empty: "no text left after cleaning"."""
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    prepared, _ = run(written(tmp_path, "a.jsonl", dumped({"uid": 1, "payload": {"x": TEXT}})))
    assert "unknown shape, with the keys uid, payload" in prepared.books[0].reason


def test_novels_and_dialogues_in_one_file_are_both_kept(tmp_path: Path) -> None:
    """The dialogues' characters were reported as duplicates of the novel."""
    texts = [novel(seed, 1) for seed in range(3)]
    rows = [*({"text": text} for text in texts), {"messages": ASKED}]
    prepared, passages = run(written(tmp_path, "a.jsonl", "\n".join(map(dumped, rows))))
    assert len(passages) == 3
    assert [d.messages for d in prepared.dialogues()] == [ASKED]
    assert "duplicate" not in prepared.books[0].drops


def test_dialogues_stay_where_their_file_s_novel_is_a_copy(tmp_path: Path) -> None:
    at = written(tmp_path, "a.txt", novel(1))
    rows = [{"text": novel(1)}, {"messages": ASKED}]
    (at / "b.jsonl").write_text("\n".join(map(dumped, rows)), encoding="utf-8")
    prepared, _ = run(at)
    assert [d.messages for d in prepared.dialogues()] == [ASKED]


def test_general_text_as_records_is_their_text(tmp_path: Path) -> None:
    """The loss on general text was measured on JSON: braces, keys and escapes."""
    path = written(tmp_path, "g.json", dumped([{"text": TEXT}, {"instruction": Q, "output": A}]))
    texts = [p.text for p in general_passages(str(path / "g.json"), "data.general")]
    assert texts == [f"{TEXT}\n{Q}\n{A}"]
