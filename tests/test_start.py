"""`styledial start`: proposes, asks once on a terminal, writes train_config.yaml and trains."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from running import LITTLE_TEXT, SHORT_END, invoke, on_a_terminal

from styledial.cli import start
from styledial.config import resolve
from styledial.config.show import template
from styledial.data.texts import ASSETS
from styledial.memory import gpus
from styledial.memory.gpus import card_named
from styledial.run.proposal import Novels, propose

FILE = "train_config.yaml"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, no GPU, short ends; `start` changes sys.argv to what it does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["styledial", "start"])
    monkeypatch.setattr(gpus, "found_card", lambda: None)
    for each in [*SHORT_END, *LITTLE_TEXT]:
        monkeypatch.setattr(*each)


def options(base: Path, novels: Path) -> list[str]:
    return ["--data-dir", str(novels), "--model-name", str(base), "--epochs", "0.02"]


def on_terminal(args: list[str], answer: str) -> tuple[int, str]:
    """Exit code of `styledial ARGS` on a terminal where `answer` is typed, and all it showed."""
    child, terminal = on_a_terminal(args)
    shown = b""
    asked = False
    with contextlib.suppress(OSError):  # the other end is gone
        while part := os.read(terminal, 4096):
            shown += part
            if not asked and b"[Y/n]" in shown:
                asked = True
                os.write(terminal, f"{answer}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    return code, shown.decode()


pytestmark = pytest.mark.skipif(os.name != "posix", reason="a terminal of POSIX")


def test_without_a_terminal_nothing_is_asked_and_the_command_does_it(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    done = invoke("start", *options(tiny_base, novels))
    assert done.returncode == 2
    assert done.stderr.startswith("This is not a terminal, so nothing was asked")
    assert list(tmp_path.iterdir()) == []
    command = shlex.split(done.stderr.strip().split("\n")[-1])
    assert command[:2] == ["styledial", "start"]
    assert command[-1] == "--yes"
    done = invoke(*command[1:])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "outputs/style/summary.json").is_file()
    written = resolve(tmp_path / FILE)
    assert written.data.data_dir == str(novels)
    assert written.training.num_train_epochs == 0.02
    assert written.training.kl_beta == 0.1
    text = (tmp_path / FILE).read_text(encoding="utf-8")
    assert text.count("#") == template().count("#")  # every comment of the template
    assert sys.argv == ["styledial", "train", "--config", FILE]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("n", 0),
        pytest.param("maybe", 2, marks=pytest.mark.slow),
        pytest.param("y", 0, marks=pytest.mark.slow),
    ],
)
def test_it_asks_once_on_a_terminal(
    answer: str, code: int, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    found, shown = on_terminal(["start", *options(tiny_base, novels)], answer)
    assert found == code, shown
    assert shown.count("[Y/n]") == 1
    if answer == "y":
        assert (tmp_path / FILE).is_file()
        assert (tmp_path / "outputs/style/summary.json").is_file()
    else:
        assert list(tmp_path.iterdir()) == []
        assert "changed" in shown


def test_a_file_of_the_users_is_only_replaced_when_they_say_so(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    mine = tmp_path / FILE
    mine.write_text("training:\n  kl_beta: 0.2\n", encoding="utf-8")
    done = invoke("start", *options(tiny_base, novels), "--yes")
    assert done.returncode == 2
    assert "add --overwrite" in done.stderr
    code, shown = on_terminal(["start", *options(tiny_base, novels)], "n")
    assert code == 0
    assert f"The present {FILE} is replaced." in " ".join(shown.split())
    assert mine.read_text(encoding="utf-8") == "training:\n  kl_beta: 0.2\n"
    done = invoke("start", *options(tiny_base, novels))
    assert done.stderr.strip().endswith("--yes --overwrite")
    mine.write_text(template(), encoding="utf-8")  # as it comes: nothing of the user's
    assert not start._is_users_own(mine)


def test_an_earlier_run_is_refused_before_anything_is_written(
    strong_run: Path, tmp_path: Path
) -> None:
    """train_config.yaml was replaced first, and --resume advised, which `start` doesn't have."""
    shutil.copytree(strong_run, tmp_path / "r")
    for more in (["--yes"], []):
        done = invoke("start", "--output", "r", *more)
        assert done.returncode == 2
        assert done.stderr.startswith("--output: r holds an earlier run."), done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["r"]
    resume = re.search(r"Continue it \(.*?styledial (train .*?)\), replace it", done.stderr)
    assert resume is not None
    again = invoke(*shlex.split(resume[1]), f"training.output_dir={tmp_path / 'r'}")
    assert again.returncode == 0, again.stderr
    mine = tmp_path / "mine/samples.md"
    mine.parent.mkdir()
    mine.write_text("mine")
    done = invoke("start", "--output", "mine", "--yes")
    assert (done.returncode, "samples.md" in done.stderr) == (2, True)
    assert "--output ..." in done.stderr
    assert not (tmp_path / FILE).exists()


def test_the_command_for_no_terminal_replaces_what_was_to_be_replaced(
    tiny_base: Path, novels: Path
) -> None:
    done = invoke("start", *options(tiny_base, novels), "--overwrite")
    assert done.stderr.strip().endswith("--yes --overwrite")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--data-dir", str(ASSETS / "wuxia"), "--output", str(ASSETS / "wuxia/x")], "lies inside"),
        (["--strength", "huge"], "--strength huge: allowed are light, medium, strong, max"),
        (["--strength", "-1"], "--strength -1: allowed are"),
        (["--epochs", "many"], "num_train_epochs"),
        (["--data-dir", "nowhere"], "there is no folder nowhere"),
    ],
)
def test_what_is_not_understood_is_refused(words: list[str], sentence: str, tmp_path: Path) -> None:
    done = invoke("start", *words, "--yes")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert list(tmp_path.iterdir()) == []


BOOKS = Novels("bundled", 3, 1_000_000, chinese=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gpu", "base"),
    [
        ("RTX 3060", "Qwen/Qwen2.5-1.5B"),
        ("RTX 4090", "Qwen/Qwen2.5-7B"),
        ("A100 80GB", "Qwen/Qwen2.5-14B"),
    ],
)
def test_the_largest_base_that_fits_the_card(
    gpu: str, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from styledial.run import proposal

    monkeypatch.setattr(proposal, "allows_4bit", lambda config: False)
    found = propose(BOOKS, card_named(gpu), base=None, given={})
    assert found.base == base
    assert found.planned is not None
    assert found.planned.total < card_named(gpu).memory
    assert found.seconds is not None


@pytest.mark.slow
def test_a_short_text_is_read_more_often() -> None:
    short = Novels("bundled", 1, 12_000, chinese=True)
    one = propose(short, None, base="bundled", given={})
    assert one.config.training.num_train_epochs == 6
    assert one.updates >= 60
    fixed = propose(short, None, base="bundled", given={"training.num_train_epochs": "1"})
    assert fixed.config.training.num_train_epochs == 1
