"""A folder of novels: each text once, whole chapters held out, the same at each run."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from pathlib import Path

import pytest
from data_samples import STORY, TRADITIONAL, novel, squeezed

from styledial.data.cleaning.script import simplified
from styledial.data.novels import read_novels
from styledial.data.passage import Passage
from styledial.data.pipeline import Prepared, prepare_folder
from styledial.errors import DataError


def folder(at: Path, **books: str | bytes) -> Path:
    at.mkdir(exist_ok=True)
    for name, text in books.items():
        raw = text if isinstance(text, bytes) else text.encode("utf-8")
        (at / f"{name}.txt").write_bytes(raw)
    return at


def run(at: Path, split: float = 0.1, **options: bool) -> tuple[Prepared, list[Passage]]:
    prepared = prepare_folder(at, at.parent / "store", split, workers=1, **options)
    return prepared, list(prepared.passages())


def text_of(passages: list[Passage], book: str) -> str:
    return "\n".join(p.text for p in passages if p.book == book)


def damaged(text: str) -> str:
    return "".join("□" if i % 150 == 75 else c for i, c in enumerate(text))


def test_an_exact_copy_goes(tmp_path: Path) -> None:
    prepared, passages = run(folder(tmp_path / "n", a=novel(1), b=novel(1), c=novel(2)))
    assert [book.kept for book in prepared.books] == [True, False, True]
    assert "a.txt" in prepared.books[1].reason
    assert {p.book for p in passages} == {"a.txt", "c.txt"}


def test_of_near_copies_the_cleaner_stays_whatever_its_name(tmp_path: Path) -> None:
    banner = "好书在线书库《www.haoshu-example.com》\n\n"
    at = folder(tmp_path / "n", a=banner + damaged(novel(1)), z=novel(1).encode("gb18030"))
    prepared, passages = run(at)
    assert {book.file: book.kept for book in prepared.books} == {"a.txt": False, "z.txt": True}
    assert "z.txt" in prepared.books[0].reason
    assert "□" not in text_of(passages, "z.txt")


def test_a_near_copy_without_chapters_is_found_too(tmp_path: Path) -> None:
    bare = "\n".join(row for row in novel(1).split("\n") if not row.startswith("第"))
    prepared, _ = run(folder(tmp_path / "n", a=novel(1) + novel(9), b=bare))
    assert [book.kept for book in prepared.books] == [True, False]


def test_a_chapter_posted_twice_stays_once(tmp_path: Path) -> None:
    text = novel(1, 4, 40)
    again = text[: text.index("第二回")].replace("第一回", "第五回").replace("　　", "　　　　")
    prepared, passages = run(folder(tmp_path / "n", a=text + again, b=novel(2)))
    assert prepared.books[0].kept
    first = squeezed(text[: text.index("第二回")]).split("回", 1)[1][20:60]
    assert squeezed(text_of(passages, "a.txt")).count(first) == 1


def test_without_dedup_copies_stay_on_one_side(tmp_path: Path) -> None:
    at = folder(tmp_path / "n", a=novel(1, 12), b=damaged(novel(1, 12)))
    prepared, passages = run(at, 0.2, dedup=False)
    assert all(book.kept for book in prepared.books)
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for passage in passages:
        sides[(passage.chapter or "").split(" ")[0]].add(passage.split)
    assert {len(found) for found in sides.values()} == {1}
    assert {"train", "heldout"} == {p.split for p in passages}


def test_two_scripts_are_two_texts_until_simplified(tmp_path: Path) -> None:
    long = TRADITIONAL * 2 + "又過了三日，那道人果然牽驢而來，將刀奉還。\n"
    at = folder(tmp_path / "n", old=long.encode("big5"), new=simplified(long), c=novel(3))
    prepared, _ = run(at)
    assert [book.kept for book in prepared.books] == [True, True, True]
    assert "old.txt" in prepared.notes[0]
    prepared, _ = run(at, to_simplified=True)
    assert sum(book.kept for book in prepared.books) == 2


def test_whole_chapters_are_held_out_from_every_book(tmp_path: Path) -> None:
    at = folder(tmp_path / "n", **{f"b{i}": novel(i, 20) for i in range(3)})
    _, passages = run(at)
    sides = defaultdict(set)
    for p in passages:
        sides[p.book, p.chapter].add(p.split)
    assert all(len(found) == 1 for found in sides.values())
    assert {book for (book, _), found in sides.items() if "heldout" in found} == {
        "b0.txt",
        "b1.txt",
        "b2.txt",
    }
    heldout = sum(len(p.text) for p in passages if p.split == "heldout")
    assert 0.07 < heldout / sum(len(p.text) for p in passages) < 0.13
    assert run(at)[1] == passages


def test_ends_and_gaps_are_marked(tmp_path: Path) -> None:
    _, passages = run(folder(tmp_path / "n", a=novel(1, 20), b=novel(2, 20)))
    for name in ("a.txt", "b.txt"):
        mine = [p for p in passages if p.book == name]
        assert [p.ends_book for p in mine] == [False] * (len(mine) - 1) + [True]
        assert not mine[0].follows
        for before, after in itertools.pairwise(mine):
            assert after.follows == (before.split == after.split)


def test_a_gap_where_a_copy_went_is_no_run_of_text(tmp_path: Path) -> None:
    rows = novel(1, 5, 40).split("第三回")
    middle = "第三回" + rows[1][: rows[1].index("第四回")]
    bigger = novel(2, 8, 40) + "\n" + middle.replace("第三回", "第九回")
    at = folder(tmp_path / "n", a=novel(1, 5, 40), b=bigger)
    _, passages = run(at, 0.02)
    mine = [p for p in passages if p.book == "a.txt"]
    chapters = [(p.chapter or "")[:3] for p in mine]
    assert "第三回" not in chapters
    assert not mine[chapters.index("第四回")].follows


def test_one_short_text_gives_its_tail(tmp_path: Path) -> None:
    _, passages = run(folder(tmp_path / "n", a=STORY))
    assert [p.split for p in passages] == ["train", "heldout"]
    assert "\n".join(p.text for p in passages) == STORY.strip()
    assert [p.ends_book for p in passages] == [False, True]


def test_texts_too_like_each_other_are_not_cut_apart(tmp_path: Path) -> None:
    """Where every chapter has a relative, a whole group goes to one side, if there are two."""
    at = folder(tmp_path / "n", a=novel(1, 1, 40), b=damaged(novel(1, 1, 40)), c=novel(2, 1, 40))
    (at / "d.txt").write_text(damaged(novel(2, 1, 40)), encoding="utf-8")
    _, passages = run(at, 0.05, dedup=False)
    sides = {p.book: p.split for p in passages}
    assert sides["a.txt"] == sides["b.txt"] != sides["c.txt"] == sides["d.txt"]


def test_a_book_keeps_its_words_verse_and_speech(tmp_path: Path) -> None:
    passages = read_novels(folder(tmp_path / "n", a=STORY), 0.1)
    text = "\n".join(p.text for p in passages)
    assert "炉火千年照铁衣，江湖夜雨故人稀。\n不知匣里青锋在，曾为谁家斩是非。" in text
    assert "陆大川笑道：“道长，我这里的刀，都是给好汉用的，你要它做甚？”" in text


def test_the_cache_is_by_content(tmp_path: Path) -> None:
    at, cache = folder(tmp_path / "n", a=novel(1), b=novel(2)), tmp_path / "cache"
    first = read_novels(at, 0.1, cache=cache)
    made = {path.name: path.stat().st_mtime_ns for path in cache.glob("*.npz")}
    assert len(made) == 2
    assert [b["file"] for b in json.loads((cache / "manifest.json").read_text("utf-8"))["books"]]
    (at / "a.txt").rename(at / "renamed.txt")
    second = read_novels(at, 0.1, cache=cache)
    assert {path.name: path.stat().st_mtime_ns for path in cache.glob("*.npz")} == made
    assert {p.text for p in first} == {p.text for p in second}
    (at / "b.txt").write_text(novel(3), encoding="utf-8")
    read_novels(at, 0.1, cache=cache)
    assert len(list(cache.glob("*.npz"))) == 3


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    at, cache = folder(tmp_path / "n", a=novel(1)), tmp_path / "cache"
    first = read_novels(at, 0.1, cache=cache)
    for path in cache.glob("*.npz"):
        path.write_bytes(path.read_bytes()[:200])
    assert read_novels(at, 0.1, cache=cache) == first


def test_what_is_not_used_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    told: list[str] = []
    at = folder(tmp_path / "n", a=novel(1), b=novel(1), picture=bytes(range(256)) * 100)
    read_novels(at, 0.1, tell=told.append)
    assert told[0] == "not used: b.txt: exact copy of a.txt"
    assert told[1].startswith("not used: picture.txt: is not text in any encoding or language")


def test_no_text_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    with pytest.raises(DataError, match="there is no folder"):
        read_novels(tmp_path / "absent", 0.1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="is empty"):
        read_novels(tmp_path / "empty", 0.1)
    with pytest.raises(DataError, match=r"too little text.*\(a\.txt: "):
        read_novels(folder(tmp_path / "bad", a=b"\0\1\2" * 99), 0.1)
