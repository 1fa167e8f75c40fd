"""Files of a run in which something else stands for a number: one sentence, and no other value."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from running import SHORT_END, invoke

from styledial.run_folder.metrics import is_number, read_metrics, seconds_of

EDITED: dict[str, list[tuple[Any, ...]]] = {
    "metrics.jsonl": [("train/kl",), ("train/learning_rate",), ("val/nll",), ("time/seconds",)],
    "summary.json": [("kl_before_landing",), ("kl_final",), ("style_nll",), ("general_nll_base",),
                     ("peak_memory_bytes",), ("trainable_parameters",)],
    "style_dial.json": [("points", 0, "scale"), ("points", 0, "kl"), ("points", 1, "style_nll")],
    "data_manifest.json": [("tokens",), ("tokens", "train"), ("tokens", "heldout")],
}  # fmt: skip
CASES = [(name, path) for name, paths in EDITED.items() for path in paths]


@pytest.fixture(scope="module")
def folder(dialled_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(dialled_run, tmp_path_factory.mktemp("edited") / "run"))


def put(content: Any, path: tuple[Any, ...], value: Any) -> None:
    for part in path[:-1]:
        content = content[part]
    content[path[-1]] = value


def edit(file: Path, path: tuple[Any, ...], value: Any) -> None:
    """In a file of lines, in the first."""
    first, *rest = file.read_text().split("\n") if file.suffix == ".jsonl" else [file.read_text()]
    content = json.loads(first)
    put(content, path, value)
    file.write_text("\n".join([json.dumps(content), *rest]))


@pytest.mark.parametrize("value", [None, "0.1", [1], True])
@pytest.mark.parametrize(("name", "path"), CASES)
def test_the_doctor_says_which_file(
    name: str, path: tuple[Any, ...], value: Any, folder: Path
) -> None:
    """Each of these was an internal error: the rules compared a number with what stood there."""
    before = (folder / name).read_text()
    edit(folder / name, path, value)
    try:
        done = invoke("doctor", folder)
    finally:
        (folder / name).write_text(before)
    assert (done.returncode, name in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(("name", "path"), [(n, p) for n, p in CASES if n != "metrics.jsonl"])
def test_the_report_leaves_it_out(
    name: str, path: tuple[Any, ...], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in SHORT_END:
        monkeypatch.setattr(*each)
    before = (folder / name).read_text()
    edit(folder / name, path, None)
    try:
        done = invoke("report", folder, "-o", tmp_path / "page.html")
    finally:
        (folder / name).write_text(before)
    assert done.returncode == 0, done.stderr


def test_the_report_says_what_it_is_without(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A summary cut in half made a report of an unfinished run, without a word."""
    for each in SHORT_END:
        monkeypatch.setattr(*each)
    given = ("report", folder, "-o", tmp_path / "page.html")
    assert "Warning" not in invoke(*given).stderr
    before = (folder / "summary.json").read_text()
    (folder / "summary.json").write_text(before[: len(before) // 2])
    try:
        done = invoke(*given)
    finally:
        (folder / "summary.json").write_text(before)
    assert (done.returncode, "summary.json: " in done.stderr) == (0, True), done.stderr


def test_only_numbers_are_read_of_metrics(folder: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(folder / "metrics.jsonl", tmp_path))
    edit(file, ("time/seconds",), "long")
    lines = read_metrics(file)
    assert "time/seconds" not in lines[0]
    assert all(is_number(value) for line in lines for value in line.values())
    assert seconds_of(lines) == pytest.approx(seconds_of(lines[1:]))


@pytest.mark.parametrize("command", ["doctor", "compare"])
@pytest.mark.parametrize("name", ["summary.json", "style_dial.json"])
def test_what_is_nested_too_deep_is_damaged(name: str, command: str, folder: Path) -> None:
    before = (folder / name).read_text()
    (folder / name).write_text("[" * 100_000)
    try:
        done = invoke(command, folder)
    finally:
        (folder / name).write_text(before)
    assert done.returncode in (0, 2), done.stderr


def test_the_mark_that_notepad_puts_is_no_damage(folder: Path) -> None:
    file = folder / "summary.json"
    before = file.read_bytes()
    file.write_bytes(b"\xef\xbb\xbf" + before)
    try:
        done = invoke("doctor", folder)
    finally:
        file.write_bytes(before)
    assert (done.returncode, "summary.json" in done.stderr) == (0, False), done.stderr
