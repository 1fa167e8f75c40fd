"""Finished runs as users find them: moved, renamed, with other novels, or no run at all."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import pytest
from running import invoke, small_run

from styledial.language import typed


@pytest.fixture(scope="module")
def books(novels: Path, tmp_path_factory) -> Path:
    return Path(shutil.copytree(novels, tmp_path_factory.mktemp("again") / "我的 小说"))


@pytest.fixture(scope="module")
def run(tiny_base: Path, books: Path) -> Path:
    folder = books.parent / "输出 一" / "run 1"
    done = invoke("train", *small_run(tiny_base, books, folder), "max_steps=12")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("command", ["evaluate", "doctor", "report", "compare"])
@pytest.mark.parametrize("what", ["nowhere", "empty", "file.txt"])
def test_no_run_is_one_sentence(command: str, what: str, run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("x", encoding="utf-8")
    done = invoke(command, tmp_path / what, *([run] if command == "compare" else []))
    assert done.returncode == 2
    assert " here (" in done.stderr or "there is no such folder" in done.stderr
    assert "\n" not in done.stderr.strip()


def test_a_path_with_spaces_and_chinese_is_said_as_it_is_typed(run: Path) -> None:
    for command in ("doctor", "report"):
        done = invoke(command, run)
        assert done.returncode == 0, done.stderr
    assert f"styledial evaluate '{run}'" in invoke("doctor", run).stderr
    assert typed(Path("输出/一")) == "输出/一"
    assert typed(Path("it's")) == "'it'\"'\"'s'"


@pytest.mark.slow  # changed ones: test_other_novels_are_spoken_of
def test_novels_that_are_gone_can_be_named(run: Path, books: Path) -> None:
    aside = books.rename(books.parent / "elsewhere")
    try:
        for command in ("evaluate", "dial"):
            done = invoke(command, run)
            assert done.returncode == 2
            assert "--data-dir FOLDER" in done.stderr
            assert str(books) in done.stderr
        done = invoke("dial", run, "--data-dir", aside)
        assert done.returncode == 0, done.stderr
        assert "dial of" in done.stderr
        assert "not those that the run was trained on" not in done.stderr
    finally:
        aside.rename(books)


def test_other_novels_are_spoken_of(run: Path, books: Path, tmp_path: Path) -> None:
    """What is held out of them may have been trained on."""
    edited = Path(shutil.copytree(books, tmp_path / "edited"))
    with (edited / "one.txt").open("a", encoding="utf-8") as book:
        book.write("\n　　后来又添了一句。\n")
    done = invoke("evaluate", run, "--data-dir", edited, "--passages", "10")
    assert done.returncode == 0, done.stderr
    assert "The novels have changed since training (one.txt)" in done.stderr
    found = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    assert found["settings"]["changed_novels"] == ["one.txt"]
    assert "（one.txt）" in found["warnings"][0]["zh"]
    assert "(one.txt)" in (run / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow  # once more: test_other_novels_are_spoken_of
def test_the_novels_of_the_run_are_spoken_of_no_more(
    run: Path, books: Path, tmp_path: Path
) -> None:
    edited = Path(shutil.copytree(books, tmp_path / "edited"))
    with (edited / "one.txt").open("a", encoding="utf-8") as book:
        book.write("\n　　后来又添了一句。\n")
    done = invoke("dial", run, "--remeasure", "--data-dir", edited)
    assert "have changed since training" in done.stderr
    done = invoke("evaluate", run, "--passages", "10")
    assert done.returncode == 0
    # The table; paths in the lines after it are as long as they are.
    lines = done.stderr.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("metric "))
    table = list(itertools.takewhile(lambda line: "  " in line, lines[head:]))
    assert len(table) > 10
    assert max(map(len, table)) <= 80
    found = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    assert found["settings"]["changed_novels"] == []


def test_an_adapter_of_another_base_is_refused(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    summary = json.loads((other / "summary.json").read_text(encoding="utf-8"))
    (other / "summary.json").write_text(json.dumps({**summary, "model": "bundled"}))
    (other / "base.json").unlink()  # as an adapter of another tool
    done = invoke("evaluate", other)
    assert done.returncode == 2
    assert "trained on another base (size mismatch for " in done.stderr
    assert "\n" not in done.stderr.strip()
    done = invoke("evaluate", run, "--against", other)
    assert done.returncode == 2
    assert "only adapters of the same base can be compared" in done.stderr
    done = invoke("compare", run, other)
    assert done.returncode == 0
    assert "differ in their base" in done.stderr


def test_what_cannot_be_measured_yet_is_not_advised(run: Path, tmp_path: Path) -> None:
    for name in ("metrics.jsonl", "train_config.yaml"):
        shutil.copy(run / name, tmp_path)
    for command, code in (("doctor", 0), ("report", 0), ("evaluate", 2)):
        done = invoke(command, tmp_path)
        assert done.returncode == code
        assert "styledial evaluate" not in done.stderr


def test_without_samples_everything_still_works(run: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(run, tmp_path / "bare"))
    for path in bare.glob("samples.*"):
        path.unlink()
    assert invoke("report", bare).returncode == 0
    assert invoke("doctor", bare).returncode == 0
    assert invoke("compare", run, bare).returncode == 0


@pytest.mark.parametrize("command", ["evaluate", "doctor", "report"])
def test_chinese_by_the_terminals_language(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STYLEDIAL_LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "zh")
    done = invoke(command, tmp_path / "没有")
    assert done.returncode == 2
    assert "没有" in done.stderr.partition("：")[2]
