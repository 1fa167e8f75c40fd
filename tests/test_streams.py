"""Terminals in another encoding than the text."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from data_samples import ROOT, novel

from styledial.cli.streams import typed_text
from styledial.errors import UserError

STYLEDIAL = (sys.executable, "-m", "styledial")


def as_argument(raw: bytes) -> str:
    """What Python makes of an argument's bytes on a system in UTF-8."""
    return raw.decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("text", ["他推开门，看见", "武松提了哨棒", "“你要到哪里去？”老人问道。"])
@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "utf-8"])
def test_a_prompt_in_the_terminals_encoding(text: str, encoding: str) -> None:
    assert typed_text("--prompt", as_argument(text.encode(encoding))) == text


@pytest.mark.parametrize(
    "raw", ["他推開門，看見".encode("big5"), "café".encode("latin-1"), b"\xff\xfe", b"abc\x80"]
)
def test_bytes_of_another_encoding_are_refused(raw: bytes) -> None:
    with pytest.raises(UserError, match=r"--prompt: is not text in utf-8.*nor in GBK"):
        typed_text("--prompt", as_argument(raw))


def test_a_prompt_of_odd_bytes_is_one_sentence(tmp_path: Path) -> None:
    """Lone surrogates ended in a traceback of the tokenizer."""
    done = subprocess.run(
        [*STYLEDIAL, "generate", str(tmp_path), "--prompt", b"\xff\xfe\xff"],
        cwd=ROOT,
        env={**os.environ, "STYLEDIAL_LANG": "en", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("--prompt: is not text in utf-8")


def test_a_terminal_in_gbk_loses_no_text(tmp_path: Path) -> None:
    """A character that GBK lacks ended the output, or was shown as a question mark."""
    at = tmp_path / "n"
    at.mkdir()
    text = novel(1).replace("第二回　", "第二回　雪人☃")
    (at / "a.txt").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [*STYLEDIAL, "prepare", str(at), "-o", str(tmp_path / "o.jsonl"), "--show-drops"],
        cwd=ROOT,
        env={**os.environ, "STYLEDIAL_LANG": "zh", "PYTHONIOENCODING": "gbk"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "章节标题  第二回" in done.stdout.decode("gbk")
    assert r"雪人\u2603" in done.stdout.decode("gbk")


@pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_ends_no_command(closed: str, tmp_path: Path) -> None:
    """With `2>&-`, as some daemons start programs, every command ended in an internal error."""
    out = tmp_path / "c.yaml"
    words = shlex.join([*STYLEDIAL, "config", "init", str(out)])
    done = subprocess.run(["sh", "-c", f"{words} {closed}"], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]
    assert out.read_text("utf-8").startswith("#")


@pytest.mark.skipif(sys.platform != "linux", reason="a folder that is in use is deleted")
@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("mkdir gone; cd gone; rmdir ../gone;", "has been deleted"),
        ("PYTHONOPTIMIZE=2", "Unset PYTHONOPTIMIZE"),
    ],
)
def test_where_nothing_can_work_is_said_at_once(before: str, said: str, tmp_path: Path) -> None:
    words = shlex.join([*STYLEDIAL, "generate", "run", "--prompt", "x"])
    env = {**os.environ, "STYLEDIAL_LANG": "en", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", f"{before} {words}"], cwd=tmp_path, env=env, capture_output=True, check=False
    )
    assert (done.returncode, said.encode() in done.stderr) == (2, True), done.stderr
