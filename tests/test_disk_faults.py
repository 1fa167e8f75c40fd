"""A full and a read-only disk at each write in the life of a run and of the commands on it.

Every write is counted below Python (faults.py), also those of torch and safetensors. Wherever it
fails: exit code 2 and a sentence, files of the user's as they were, one of the two runs whole, and
the same command, or --resume, ends as if nothing had been.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from faults import Spec, built, came_of
from running import invoke, small_run

# All writes take hours; a few of each kind run in the slow part.
ALL = os.environ.get("STYLEDIAL_FAULTS") == "all"
only_all = pytest.mark.skipif(not ALL, reason="hours: STYLEDIAL_FAULTS=all runs every write")
LASTS = [
    pytest.param(True, id="from there on"),
    pytest.param(False, id="once", marks=only_all),
]
NUMBERS = {"full": errno.ENOSPC, "read-only": errno.EROFS}
MORE = ["max_steps=2", "save_steps=1", "data.anchor=bundled", "training.report_to=tensorboard"]
COMMANDS = {
    "peft": ["export", "@", "--to", "peft"],
    "merged": ["export", "@", "--to", "merged"],
    "merge": ["merge", "@", "-o", "@-merged"],
    "dial": ["dial", "@", "--remeasure", "--export", "max"],
    "report": ["report", "@"],
    "evaluate": ["evaluate", "@"],
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = built(tmp_path_factory.mktemp("faults"))
    if made is None:
        pytest.skip("a C compiler and Linux are needed to fail writes below Python")
    return made


@pytest.fixture(scope="module")
def run(tiny_base: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, its dial measured."""
    folder = tmp_path_factory.mktemp("run") / "out"
    done = invoke("train", *small_run(tiny_base, novels, folder), *MORE, little_text=True)
    assert done.returncode == 0, done.stderr
    assert invoke("dial", folder).returncode == 0
    return folder


def check(spec: Spec, library: Path, *, least: int) -> None:
    found = came_of(spec, library)
    assert len(found) >= least
    assert any(each["code"] == 2 for each in found)
    wrong = [each for each in found if each["wrong"]]
    assert not wrong, wrong


def command(name: str, tmp_path: Path) -> list[str]:
    return [word.replace("@", str(tmp_path / "place/out")) for word in COMMANDS[name]]


@pytest.mark.slow  # a full disk in a run: test_stop.py, test_checkpoint.py
@pytest.mark.parametrize("kind", NUMBERS)
def test_some_writes_of_an_export(kind: str, library: Path, run: Path, tmp_path: Path) -> None:
    spec = Spec(
        command("peft", tmp_path), f"{tmp_path / 'place'}", str(run), NUMBERS[kind], step=20
    )
    check(spec, library, least=2)


@pytest.mark.slow
@pytest.mark.parametrize("lasts", LASTS)
@pytest.mark.parametrize("kind", ["full", pytest.param("read-only", marks=only_all)])
@pytest.mark.parametrize("name", COMMANDS)
def test_each_write_of_a_command(
    name: str, kind: str, lasts: bool, library: Path, run: Path, tmp_path: Path
) -> None:
    place = f"{tmp_path / 'place'}"
    spec = Spec(
        command(name, tmp_path), place, str(run), NUMBERS[kind], lasts, step=1 if ALL else 40
    )
    check(spec, library, least=10 if ALL else 1)


@pytest.mark.slow
@pytest.mark.parametrize("lasts", LASTS)
@pytest.mark.parametrize("kind", ["full", pytest.param("read-only", marks=only_all)])
@pytest.mark.parametrize("how", ["new", "--overwrite", "--resume"])
def test_each_write_of_a_run(
    how: str,
    kind: str,
    lasts: bool,
    library: Path,
    run: Path,
    tiny_base: Path,
    novels: Path,
    tmp_path: Path,
) -> None:
    """Some 500 writes, each with a run or two: an hour and a half on one core for all of them."""
    place = tmp_path / "place"
    args = ["train", *small_run(tiny_base, novels, place / "out"), *MORE]
    args += {"new": [], "--overwrite": [how], "--resume": ["max_steps=3", how]}[how]
    start = "" if how == "new" else str(run)
    spec = Spec(args, f"{place}", start, NUMBERS[kind], lasts, step=1 if ALL else 150)
    check(spec, library, least=100 if ALL else 3)
