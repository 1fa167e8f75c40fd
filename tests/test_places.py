"""Every option and setting that names a path: what can't be written or read is one early sentence."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from running import invoke, small_run

from styledial.data.texts import ASSETS
from styledial.places import check_new

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, devices and ~user of POSIX")

NEW_FILES: dict[str, list[str]] = {
    "prepare -o": ["prepare", "novels", "-o", "?"],
    "prepare --html": ["prepare", "novels", "-o", "out.jsonl", "--html", "?"],
    "report -o": ["report", "run", "-o", "?"],
    "compare -o": ["compare", "run", "run", "-o", "?"],
    "config init": ["config", "init", "?"],
}
NEW_FOLDERS: dict[str, list[str]] = {
    "merge -o": ["merge", "run", "-o", "?"],
    "export -o": ["export", "run", "--to", "peft", "-o", "?"],
    "convert -o": ["convert", "run", "-o", "?"],
    "download --to": ["download", "--model", "Qwen/Qwen2.5-7B", "--to", "?"],
    "output_dir": ["train", "training.output_dir=?"],
    "reference_cache": ["train", "training.output_dir=new", "training.reference_cache=?"],
}
READ: dict[str, list[str]] = {
    "data_dir": ["train", "training.output_dir=new", "data.data_dir=?"],
    "general": ["train", "training.output_dir=new", "data.general=?"],
    "anchor": ["train", "training.output_dir=new", "data.anchor=?"],
    "base": ["train", "training.output_dir=new", "model.model_name_or_path=?"],
    "config": ["train", "training.output_dir=new", "--config", "?"],
    "generate": ["generate", "?", "--prompt", "x"],
    "generate --base": ["generate", "run", "--prompt", "x", "--base", "?"],
    "generate --prompts": ["generate", "run", "--prompts", "?"],
    "report": ["report", "?"],
    "doctor": ["doctor", "?"],
    "merge": ["merge", "?", "-o", "new"],
    "export": ["export", "?", "--to", "peft", "-o", "new"],
    "prepare": ["prepare", "?", "-o", "new.jsonl"],
}
NOWHERE = ["afile/x", "alink/x", "dangling", "dangling/x", "loop", "loop/x", "pipe/x", "device/x",
           "x" * 300, "deep/" + "长" * 100, "~nobody-of-this-name/x",
           "s3://bucket/x", "file:///x/y", "a\nb", "tab\there", "/".join(["d" * 100] * 50),
           *(["/proc/nowhere/x"] if Path("/proc/self").exists() else [])]  # fmt: skip
NOT_NEW = ["afile", "alink", "pipe", "device"]


@pytest.fixture(scope="module")
def place(tiny_base: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run and novels, and beside them what is neither a plain file nor a folder."""
    here = tmp_path_factory.mktemp("place")
    done = invoke("train", *small_run(tiny_base, novels, here / "run"), "max_steps=1")
    assert done.returncode == 0, done.stderr
    (here / "novels").symlink_to(novels)
    (here / "afile").write_text("mine")
    (here / "alink").symlink_to("afile")
    (here / "dangling").symlink_to("nowhere/x")
    (here / "loop").symlink_to("loop")
    (here / "ways").symlink_to("run/checkpoints")
    (here / "device").symlink_to(os.devnull)
    os.mkfifo(here / "pipe")
    return here


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """A command that waits at a pipe fails here."""

    def over(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def names(folder: Path) -> dict[str, int]:
    return {name: os.lstat(name).st_ino for name in map(str, folder.iterdir())}


def refused(args: list[str], path: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The sentence. Nothing is new, nothing changed, nothing was loaded."""
    monkeypatch.chdir(place)
    settings = ["model.model_name_or_path=bundled", f"data.data_dir={ASSETS / 'wuxia'}"]
    given = [word.replace("?", path) for word in args]
    if args[0] == "train":
        given[1:1] = [each for each in settings if each.partition("=")[0] not in str(args)]
    before = names(place)
    with within(30):
        done = invoke(*given)
    assert done.returncode == 2, done.stderr
    assert names(place) == before, (given, done.stderr)
    assert (place / "afile").read_text() == "mine"
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("path", [*NOWHERE, *NOT_NEW, "trailing ", "run", "-"])
@pytest.mark.parametrize("option", NEW_FILES)
def test_no_file_can_be_written_there(
    option: str, path: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`prepare -o pipe` replaced the pipe by a file, and `-o /dev/null` the device."""
    assert refused(NEW_FILES[option], path, place, monkeypatch)


@pytest.mark.parametrize("path", [*NOWHERE, *NOT_NEW, "/"])
@pytest.mark.parametrize("option", NEW_FOLDERS)
def test_no_folder_can_be_made_there(
    option: str, path: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refused(NEW_FOLDERS[option], path, place, monkeypatch)
    assert "free some disk space" not in said


@pytest.mark.parametrize(
    "path",
    ["run/.styledial-run/x", "run/checkpoints", "run/checkpoints/step-1/x", "run/.styledial-cache/x",
     "gone/.styledial-cache", "ways/x"],
)  # fmt: skip
@pytest.mark.parametrize("option", NEW_FILES | NEW_FOLDERS)
def test_nothing_is_written_into_what_a_run_keeps_for_itself(
    option: str, path: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`merge -o run/checkpoints/step-20/x` was done, and the run couldn't be resumed any more."""
    said = refused((NEW_FILES | NEW_FOLDERS)[option], path, place, monkeypatch)
    assert "clears or continues from" in said or "is a folder" in said or "exists already" in said


def test_a_folder_that_is_only_called_so_is_free(tmp_path: Path) -> None:
    for name in ("checkpoints", "checkpoints/x", "styledial-run"):
        check_new("-o", tmp_path / name, folder=True)


@pytest.mark.parametrize("path", [*NOWHERE, "device"])
@pytest.mark.parametrize("option", READ)
def test_nothing_can_be_read_there(
    option: str, path: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (option, path) == ("config", "device"):
        pytest.skip("an empty file is a configuration: the defaults")
    assert refused(READ[option], path, place, monkeypatch)


def test_prepare_replaces_only_what_it_wrote(
    place: Path, novels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands beside -o under a name of ours, and nobody named, was replaced or removed."""
    monkeypatch.chdir(tmp_path)
    given = ("prepare", novels, "-o", "novels.jsonl", "--html", "page.html")
    for _ in range(2):  # its own files are written again
        done = invoke(*given)
        assert done.returncode == 0, done.stderr
    for name in ("notes.jsonl", "notes.manifest.json", "notes.dialogues.jsonl", "notes.html"):
        (tmp_path / name).write_text('{"text": "mine"}\n')
        done = invoke("prepare", novels, "-o", "notes.jsonl", "--html", "notes.html")
        assert (done.returncode, name in done.stderr) == (2, True), done.stderr
        assert (tmp_path / name).read_text() == '{"text": "mine"}\n'
        (tmp_path / name).unlink()
        assert not list(tmp_path.glob("notes*"))
