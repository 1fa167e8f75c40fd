"""What takes long says so: on a terminal, without one, and not at all in other processes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time

import pytest

from styledial import progress
from styledial.progress import screens


def test_stages_in_each_other_are_one_part_of_the_whole() -> None:
    with progress.stage("strengths", 4) as outer, progress.stage("reading", 10) as inner:
        outer(1)
        inner(5)
        words, fraction, _ = progress.state()
        assert words == "strengths"
        assert fraction == pytest.approx((1 + 5 / 10) / 4)


def test_what_isnt_counted_is_said_by_what_is_within() -> None:
    with progress.stage("evaluation"), progress.stage("the base writes", 10) as inner:
        inner(5)
        assert progress.state()[:2] == ("evaluation: the base writes", 0.5)


def test_what_is_done_never_falls_back() -> None:
    with progress.stage("updates", 10) as at:
        at(3)
        with progress.stage("held-out text", 2) as reading:
            reading(1)
            assert progress.state()[1] == pytest.approx(0.35)
        assert progress.state()[1] == pytest.approx(0.35)


def test_the_time_left_is_by_what_was_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed run counted the updates of its first start as done in no time."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with progress.stage("updates", 100, done=50) as at:
        now = 110.0
        at(60)
        assert progress.state()[2] == "about 40 s left"


def test_tracked_gives_the_items_and_closes_its_stage() -> None:
    seen = []
    for item in progress.tracked("abc", "letters"):
        seen.append((item, progress.state()[1]))
    assert seen == [("a", 0), ("b", pytest.approx(1 / 3)), ("c", pytest.approx(2 / 3))]
    assert progress.state()[0] == ""


@pytest.mark.parametrize("quiet", [False, True])
def test_without_a_terminal_there_is_a_line_now_and_then(
    quiet: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(screens, "BETWEEN_LINES", 0.1)
    with progress.shown(quiet=quiet), progress.stage("the base writes", 4) as at:
        at(1)
        time.sleep(0.35)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == (0 if quiet else len(said))
    assert quiet or 2 <= len(said) <= 3
    assert quiet or said[0].startswith("  the base writes: 25%, ")


def test_a_quick_command_says_nothing(capsys: pytest.CaptureFixture) -> None:
    with progress.shown(), progress.stage("quick"):
        pass
    assert capsys.readouterr().err == ""


SHOWS = """
    import time
    from styledial import progress
    with progress.shown():
        with progress.stage("写" * 60, 4) as at:
            at(2)
            time.sleep(0.4)
            progress.line("a sentence above")
            time.sleep(0.3)
        print("result")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="pty")
def test_on_a_terminal_a_bar_lives_and_goes() -> None:
    import pty

    leader, follower = pty.openpty()
    env = {**os.environ, "COLUMNS": "60", "TERM": "xterm", "STYLEDIAL_LANG": "en"}
    code = textwrap.dedent(SHOWS)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=follower, stderr=follower, env=env
    ) as shown:
        os.close(follower)
        said = b""
        while chunk := _read(leader):
            said += chunk
    os.close(leader)
    assert shown.returncode == 0
    text = said.decode()
    assert "50%" in text
    assert "…" in text  # words wider than the terminal are cut, not wrapped
    assert "a sentence above" in text
    assert text.rstrip().endswith("result")
    last_bar, result = text.rindex("50%"), text.rindex("result")
    assert "\x1b[2K" in text[last_bar:result]  # the bar was wiped before it


def test_sentences_break_under_their_label_and_commands_stay_whole() -> None:
    shown = screens.wrapped(
        "StyleDial 0.1.0: train -> outputs/a\n"
        "  base      models/SmolLM2-135M: llama, 135 million parameters, 269.1 MB\n"
        "  The target was not reached; the adapter is saved as “strong” as it became.\n"
        "    styledial train --config outputs/a/train_config.yaml --resume max_steps=99\n"
        "  风格更像原著：没读过的章节上损失 3.759 -> 3.750，通用能力几乎没变，没有发现照抄。",
        50,
    )
    assert shown.split("\n") == [
        "StyleDial 0.1.0: train -> outputs/a",
        "  base      models/SmolLM2-135M: llama, 135",
        "            million parameters, 269.1 MB",
        "  The target was not reached; the adapter is saved",
        "  as “strong” as it became.",
        "    styledial train --config outputs/a/train_config.yaml --resume max_steps=99",
        "  风格更像原著：没读过的章节上损失 3.759 -> 3.750，通用能力几乎没变，没有发现照抄。",
    ]


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 4096)
    except OSError:  # Linux says so when the other end is closed
        return b""


@pytest.mark.skipif(sys.platform == "win32", reason="pty")
def test_a_terminal_that_cannot_redraw_gets_lines() -> None:
    """rich draws nothing there: a run was silent in an Emacs shell."""
    import pty

    leader, follower = pty.openpty()
    env = {**os.environ, "TERM": "dumb", "STYLEDIAL_LANG": "en"}
    code = textwrap.dedent(SHOWS).replace(
        "from styledial import progress",
        "from styledial import progress; progress.screens.BETWEEN_LINES = 0.1",
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=follower, stderr=follower, env=env):
        os.close(follower)
        said = b""
        while chunk := _read(leader):
            said += chunk
    os.close(leader)
    assert ": 50%, " in said.decode()
