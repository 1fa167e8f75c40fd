"""What nobody foresaw: one sentence and a file, never a traceback on the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import invoke, small_run

from styledial.cli.defects import recorded
from styledial.cli.main import guarded


def test_an_unforeseen_error_is_a_file_and_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STYLEDIAL_LANG", "en")

    def fails() -> None:
        raise ZeroDivisionError("the cause")

    with pytest.raises(SystemExit) as stopped:
        guarded(fails)
    assert stopped.value.code == 1
    (kept,) = tmp_path.iterdir()
    told = capsys.readouterr().err
    assert str(kept) in told
    assert "Traceback" not in told
    assert "ZeroDivisionError: the cause" in kept.read_text("utf-8")


def test_a_report_of_a_defect_holds_nothing_private(
    tmp_path: Path, tiny_base: Path, novels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = invoke("train", *small_run(tiny_base, novels, tmp_path / "run"), "max_steps=1")
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    secret = "hf_abcdefghijklmnop"
    monkeypatch.setattr(sys, "argv", ["styledial", "download", "--token", secret, str(novels)])
    with pytest.raises(ZeroDivisionError) as caught:
        raise ZeroDivisionError(f"no {novels}/book.txt with token={secret}")
    assert "doctor --report" in recorded(caught.value)
    told = invoke("doctor", "run", "--report").stderr
    for needed in ("torch: ", "system: ", "kl_beta: 0.1", "ZeroDivisionError", "test_fence.py"):
        assert needed in told, needed
    for private in (secret, str(tmp_path), str(tiny_base), str(novels), str(Path.home())):
        assert private not in told, private
    assert "max_steps: 1" in told
    assert "ZeroDivisionError" in invoke("doctor", "--report").stderr
    assert invoke("doctor").returncode == 2


def test_a_gbk_terminal_loses_no_text() -> None:
    """A character that GBK lacks ended the command with a traceback, and the text was lost."""
    code = (
        "from styledial.cli import main\n"
        "main.run = lambda app: print('\u96ea\u5c71\U0001f600')\n"
        "main.main()"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONIOENCODING": "gbk"},
        capture_output=True,
        check=True,
    )
    assert told.stdout.decode("gbk").strip() == "雪山\\U0001f600"
