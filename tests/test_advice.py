"""Commands that are printed as advice are run where they were printed, and work.

Others are run beside what prints them: after a signal in test_resume.py, without a terminal in
test_start.py, moved novels in test_taken_up_again.py, a full GPU in test_memory_fit_runs.py, the
doctor on a grid of runs in test_doctor_advice.py.
"""

from __future__ import annotations

import html
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from running import LITTLE_TEXT, SHORT_END, Done, invoke, small_run

_COMMAND = re.compile(r"(?:^|[\s`>])(?:\S*/)?styledial ((?:[a-z]+ )[^`\n<]*)")
# What stands for a name of the user's choice.
_PLACES = ("FOLDER", "NEW", "OUTPUT_DIR", "NAME")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for each in [*SHORT_END, *LITTLE_TEXT]:
        monkeypatch.setattr(*each)
    monkeypatch.setattr(sys, "argv", ["styledial"])
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def trained(tiny_base: Path, novels: Path, tmp_path_factory) -> tuple[Path, Done]:
    """A run that fell short of its budget, in a folder that a shell has to be told of."""
    folder = tmp_path_factory.mktemp("advice") / "my run"
    with pytest.MonkeyPatch.context() as patch:
        for each in [*SHORT_END, *LITTLE_TEXT]:
            patch.setattr(*each)
        done = invoke("train", *small_run(tiny_base, novels, folder), "max_steps=6", "kl_beta=0.5")
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.fixture
def run(trained: tuple[Path, Done]) -> Path:
    """The same, as it was when it ended: a command may have changed it."""
    folder, _ = trained
    kept = folder.with_name("kept")
    if not kept.exists():
        shutil.copytree(folder, kept)
    shutil.rmtree(folder)
    for other in folder.parent.iterdir():
        if other != kept:
            shutil.rmtree(other)
    return Path(shutil.copytree(kept, folder))


def commands_in(text: str) -> list[list[str]]:
    """The words after `styledial` of every command in what was printed, each once."""
    found = {match[1].strip().rstrip(".。") for match in _COMMAND.finditer(text)}
    return [shlex.split(command) for command in sorted(found)]


def carried_out(words: list[str], scratch: Path) -> Done:
    """The command in this process, a name of its own where one is to be chosen."""
    chosen = [
        re.sub(rf"^(.*=)?(?:{'|'.join(_PLACES)})$", rf"\g<1>{scratch / 'chosen'}", word)
        for word in words
    ]
    return invoke(*chosen)


def all_work(text: str, scratch: Path, *, at_least: set[str]) -> None:
    commands = commands_in(text)
    assert at_least <= {words[0] for words in commands}, text
    for words in commands:
        done = carried_out(words, scratch)
        assert done.returncode == 0, (words, done.stderr)


@pytest.mark.slow  # in part: test_screen.py
def test_the_end_of_a_run(run: Path, trained: tuple[Path, Done], tmp_path: Path) -> None:
    # No dial: a style that is barely noticeable has no weaker versions worth a name.
    all_work(trained[1].stderr, tmp_path, at_least={"train", "generate", "merge"})


@pytest.mark.slow  # in part: test_doctor_advice.py
def test_the_doctor(run: Path, tmp_path: Path) -> None:
    all_work(invoke("doctor", run).stderr, tmp_path, at_least={"train", "evaluate"})


@pytest.mark.slow  # in part: test_report_writing.py
def test_the_report(run: Path, tmp_path: Path) -> None:
    page = html.unescape((run / "report.html").read_text(encoding="utf-8"))
    shown = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    all_work(shown, tmp_path, at_least={"dial", "evaluate"})


@pytest.mark.parametrize("command", ["dial", "merge"])
def test_what_a_command_says_next(command: str, run: Path, tmp_path: Path) -> None:
    more = ("-o", tmp_path / "whole model") if command == "merge" else ()
    done = invoke(command, run, *more)
    assert done.returncode == 0, done.stderr
    all_work(done.stderr, tmp_path, at_least=set())


def _damaged(name: str) -> Callable[[Path], None]:
    return lambda run: (run / name).write_text("{", encoding="utf-8") and None


# (what is done to the run, the command that is refused): the refusal names one that helps.
REFUSED: dict[str, tuple[Callable[[Path], None], Callable[[Path], list[object]]]] = {
    "strength before a dial": (
        lambda run: None,
        lambda run: ["generate", run, "--prompt", "他", "--strength", "0.001"],
    ),
    "damaged dial": (
        _damaged("style_dial.json"),
        lambda run: ["generate", run, "--prompt", "他", "--strength", "0.001"],
    ),
    "an adapter as base": (
        lambda run: None,
        lambda run: ["train", f"model_name_or_path={run}", "data_dir=bundled"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_what_helps(case: str, run: Path, tmp_path: Path) -> None:
    prepare, refused = REFUSED[case]
    prepare(run)
    done = invoke(*refused(run))
    assert done.returncode == 2
    assert commands_in(done.stderr), done.stderr
    if "Move it away" in done.stderr:  # a file that isn't as it was written is the user's
        for path in run.glob("*.json"):
            if path.read_text(encoding="utf-8") == "{":
                path.rename(tmp_path / path.name)
    for words in commands_in(done.stderr):
        helped = carried_out(words, tmp_path)
        assert helped.returncode == 0, (words, helped.stderr)


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    done = invoke("train", "--config", tmp_path / "my settings.yaml")
    assert done.returncode == 2
    all_work(done.stderr, tmp_path, at_least={"config"})
    assert (tmp_path / "my settings.yaml").is_file()


@pytest.mark.parametrize("option", ["--resume", "--overwrite"])
def test_a_folder_that_holds_a_run(option: str, run: Path, tiny_base: Path, novels: Path) -> None:
    settings = [*small_run(tiny_base, novels, run), "max_steps=6", "kl_beta=0.5"]
    done = invoke("train", *settings)
    assert done.returncode == 2
    assert f"({option})" in done.stderr
    assert invoke("train", *settings, option).returncode == 0
