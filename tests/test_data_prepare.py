"""`styledial prepare`: the files it writes, its messages, and what an interruption leaves."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from data_samples import ROOT, STORY, novel
from running import run_cli
from typer.testing import Result

from styledial.data import workers
from styledial.data.reading.sources import Source, find_sources
from styledial.errors import StyleDialError

LINE = {"text", "book", "chapter", "split"}
BOOK = {"file", "encoding", "chars_in", "chars_out", "kept", "reason", "drops", "sha256"}


def prepare(*arguments: object, language: str = "en") -> Result:
    """`styledial prepare ...` in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STYLEDIAL_LANG", language)
        return run_cli(["prepare", *map(str, arguments)], catch_exceptions=False)


def as_a_process(*arguments: object, language: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "styledial.cli.prepare", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "STYLEDIAL_LANG": language, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def novels(at: Path, count: int = 3) -> Path:
    at.mkdir()
    for number in range(count):
        raw = novel(number, 12).encode(["utf-8", "gb18030"][number % 2])
        (at / f"书{number}.txt").write_bytes(raw)
    return at


def test_the_files(tmp_path: Path) -> None:
    at = novels(tmp_path / "n")
    (at / "copy.txt").write_bytes((at / "书0.txt").read_bytes())
    (at / "odd.txt").write_bytes(b"\0\1\2" * 300)
    (at / "talk.jsonl").write_text('{"source": "走", "target": "请了"}\n', encoding="utf-8")
    out = tmp_path / "made" / "out.jsonl"
    done = prepare(at, "-o", out, "--show-drops")
    assert (done.exit_code, done.stderr.count("\n")) == (0, 1), done.stderr
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert all(set(line) == LINE for line in lines)
    assert {line["split"] for line in lines} == {"train", "heldout"}
    books = json.loads((out.parent / "out.manifest.json").read_text("utf-8"))["books"]
    assert all(set(book) == BOOK for book in books)
    assert {b["file"]: b["kept"] for b in books} == {
        "copy.txt": True,
        "odd.txt": False,
        "talk.jsonl": True,
        "书0.txt": False,
        "书1.txt": True,
        "书2.txt": True,
    }
    for book in books:
        if book["sha256"]:
            assert book["chars_in"] == book["chars_out"] + sum(book["drops"].values())
    text = {
        b["file"]: sum(len(ln["text"]) for ln in lines if ln["book"] == b["file"]) for b in books
    }
    assert all(b["chars_out"] == text[b["file"]] for b in books if b["file"] != "talk.jsonl")
    talk = json.loads((out.parent / "out.dialogues.jsonl").read_text("utf-8"))
    assert talk["messages"][1] == {"role": "assistant", "content": "请了"}
    assert "odd.txt: is not text in any encoding or language" in done.stdout
    assert "书1.txt:1  title  第一回" in done.stdout
    assert sorted(p.name for p in out.parent.iterdir()) == [
        "out.dialogues.jsonl",
        "out.jsonl",
        "out.manifest.json",
    ]


def test_a_novel_is_not_what_prepare_replaces(tmp_path: Path) -> None:
    """`prepare novels -o novels/one.txt` wrote the passages over the novel."""
    at = novels(tmp_path / "n")
    before = (at / "书0.txt").read_bytes()
    with pytest.raises(StyleDialError, match="isn't what prepare wrote"):
        prepare(at, "-o", at / "书0.txt")
    assert (at / "书0.txt").read_bytes() == before


def test_what_prepare_made_of_a_folder_is_no_novel_of_it(tmp_path: Path) -> None:
    """Written into the folder, passages, manifest and page were read as novels by the next command,
    and the novels dropped as their copies."""
    at = novels(tmp_path / "n")
    assert prepare(at, "-o", at / "made" / "out.jsonl", "--html", at / "page.html").exit_code == 0
    assert [source.name for source in find_sources(at)] == ["书0.txt", "书1.txt", "书2.txt"]
    alone = tmp_path / "alone"
    alone.mkdir()
    (at / "made" / "out.jsonl").rename(alone / "out.jsonl")  # elsewhere it is a text as any other
    assert [source.name for source in find_sources(alone)] == ["out.jsonl"]


@pytest.mark.parametrize("name", ["picture.png", "blank.txt", None])
def test_a_folder_of_nothing_is_not_advised_for_training(tmp_path: Path, name: str | None) -> None:
    """`styledial train data.data_dir=...` was advised, which refuses that folder; exit code 0."""
    at = tmp_path / "n"
    at.mkdir()
    if name:
        (at / name).write_bytes(b"" if name == "blank.txt" else b"\x89PNG")
    with pytest.raises(StyleDialError, match="nothing to train on"):
        prepare(at, "-o", tmp_path / "out.jsonl")
    assert (tmp_path / "out.manifest.json").is_file()  # which the sentence names


def test_out_inside_the_folder_is_not_read_again(tmp_path: Path) -> None:
    at = novels(tmp_path / "n")
    first = prepare(at, "-o", at / "out.jsonl")
    made = (at / "out.jsonl").read_bytes()
    second = prepare(at, "-o", at / "out.jsonl")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert (at / "out.jsonl").read_bytes() == made
    assert "3 of 3 files kept" in second.stdout


def test_the_result_does_not_depend_on_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = tmp_path / "n"
    at.mkdir()
    for number in range(3):
        (at / f"{number}.txt").write_text(novel(number, 20, 30), encoding="utf-8")
    monkeypatch.setattr(workers, "_WORTH_A_PROCESS", 100_000)
    out, again = tmp_path / "out.jsonl", tmp_path / "again.jsonl"
    assert prepare(at, "-o", out, "--workers", 2).exit_code == 0
    assert out.stat().st_size > 200_000  # enough for a second process
    assert prepare(at, "-o", again, "--workers", 1).exit_code == 0
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "en", "zh"),
    [
        (["absent", "-o", "OUT"], "is not a folder", "不是文件夹"),
        (["HERE", "-o", "HERE"], "is a folder. Name a file", "是文件夹。请写文件名"),
    ],
)
def test_errors_are_one_sentence(tmp_path: Path, arguments: list[str], en: str, zh: str) -> None:
    names = {"HERE": str(tmp_path), "OUT": str(tmp_path / "o.jsonl")}
    given = [names.get(a, a) for a in arguments]
    with pytest.raises(StyleDialError) as raised:
        prepare(*given)
    assert en in raised.value.en
    for language, sentence in [("zh", zh)]:
        done = as_a_process(*given, language=language)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr + done.stdout


def test_the_screen_in_chinese(tmp_path: Path) -> None:
    done = prepare(novels(tmp_path / "n"), "-o", tmp_path / "o.jsonl", language="zh")
    assert "采用 3 个文件（共 3 个）" in done.stdout


@pytest.fixture
def sigint_is_heard() -> Iterator[None]:
    """A shell starts what it puts in the background with SIGINT ignored, and children inherit it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow  # a process of its own, to be interrupted
@pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")
@pytest.mark.usefixtures("sigint_is_heard")
@pytest.mark.parametrize(
    "how", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, how: signal.Signals) -> None:
    at = tmp_path / "n"
    at.mkdir()
    for number in range(9):
        (at / f"{number}.txt").write_text(novel(number, 40, 60), encoding="utf-8")
    out, store = tmp_path / "out.jsonl", tmp_path / ".out.work"
    before = '{"text": "", "book": "", "chapter": "", "split": ""}\n'
    out.write_text(before, encoding="utf-8")
    command = [sys.executable, "-m", "styledial.cli.prepare", str(at), "-o", str(out)]
    with subprocess.Popen(
        [*command, "--workers", "1"],
        cwd=ROOT,
        env={**os.environ, "STYLEDIAL_LANG": "en"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        until = time.monotonic() + 60
        while len(list(store.glob("*.npz"))) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        os.killpg(run.pid, how)
        _, told = run.communicate(timeout=60)
    done = {path.name: path.stat().st_mtime_ns for path in store.glob("*.npz")}
    assert 2 <= len(done) < 9
    assert out.read_text("utf-8") == before
    if how == signal.SIGINT:
        assert run.returncode == 130
        assert "the same command goes on there" in told
        assert "Traceback" not in told

    prepared = prepare(at, "-o", out, "--workers", 1)
    assert prepared.exit_code == 0
    assert not store.exists()
    fresh = tmp_path / "fresh.jsonl"
    assert prepare(at, "-o", fresh, "--workers", 1).exit_code == 0
    assert fresh.read_bytes() == out.read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="permissions as on POSIX")
def test_unreadable_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By permission where that binds, and by an error of the disk where the user is root."""
    from styledial.data.pipeline import prepare_folder

    at = novels(tmp_path / "n", 1)
    (at / "locked.txt").write_text(STORY, encoding="utf-8")
    (at / "locked.txt").chmod(0)
    (at / "failing.txt").write_text(STORY.replace("陆", "林"), encoding="utf-8")
    real = Path.open

    def failing(self: Path, *args: object, **kwargs: object) -> object:
        if self.name in ("failing.txt", "locked.txt"):
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", failing)
    prepared = prepare_folder(at, tmp_path / "store", 0.1, workers=1)
    assert {b.file: b.reason for b in prepared.books} == {
        "failing.txt": "Permission denied",
        "locked.txt": "Permission denied",
        "书0.txt": "",
    }
    assert list(prepared.passages())


class HungDisk:
    """A store whose reader never comes back; sent to the processes as it is."""

    def make(self, source):
        time.sleep(600)


def test_a_stuck_reader_is_noticed_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE", 2.0)
    sources = [Source(Path(name), name, size=5 << 20) for name in ("甲.txt", "乙.txt")]
    monkeypatch.setattr(workers, "_SLOWEST", 1 << 30)
    started = time.monotonic()
    with pytest.raises(StyleDialError, match=r"stalled: no file was finished.*甲\.txt"):
        workers.make_all(HungDisk(), sources, 2, lambda book, done, total: None)
    assert time.monotonic() - started < 60
    assert not multiprocessing.active_children()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_disk_that_takes_no_more_leaves_out_no_book(tmp_path: Path) -> None:
    """A book that found no room in the store counted as one that can't be read, and the run went on
    with the others."""
    import resource

    at, out = tmp_path / "n", tmp_path / "out.jsonl"
    at.mkdir()
    (at / "short.txt").write_text(novel(1, 1, 2), encoding="utf-8")
    (at / "long.txt").write_text(novel(2, 12), encoding="utf-8")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(StyleDialError, match="File too large"):
            prepare(at, "-o", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not out.exists()
    assert prepare(at, "-o", out).exit_code == 0
