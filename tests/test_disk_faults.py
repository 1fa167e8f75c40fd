"""A full and a read-only disk at each write in the life of a run and of the commands on it.

Every write is counted below Python (faults.py), also those of torch and safetensors. Wherever it
fails: exit code 2 and a sentence, files of the user's as they were, one of the two runs whole, and
the same command, or --resume, ends as if nothing had been.
"""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from faults import Spec, built, came_of
from marks import slow_but
from running import LITTLE_TEXT, SHORT_END, invoke, small_run

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
    with pytest.MonkeyPatch.context() as patch:
        for each in [*SHORT_END, *LITTLE_TEXT]:
            patch.setattr(*each)
        done = invoke("train", *small_run(tiny_base, novels, folder), *MORE)
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


@pytest.mark.parametrize("kind", slow_but(NUMBERS, "full"))
def test_some_writes_of_an_export(kind: str, library: Path, run: Path, tmp_path: Path) -> None:
    spec = Spec(
        command("peft", tmp_path), f"{tmp_path / 'place'}", str(run), NUMBERS[kind], step=20
    )
    check(spec, library, least=2)


@pytest.mark.slow
@pytest.mark.parametrize("lasts", [True, False], ids=["from there on", "once"])
@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("name", COMMANDS)
def test_each_write_of_a_command(
    name: str, kind: str, lasts: bool, library: Path, run: Path, tmp_path: Path
) -> None:
    place = f"{tmp_path / 'place'}"
    check(Spec(command(name, tmp_path), place, str(run), NUMBERS[kind], lasts), library, least=10)


@pytest.mark.slow
@pytest.mark.parametrize("lasts", [True, False], ids=["from there on", "once"])
@pytest.mark.parametrize("kind", NUMBERS)
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
    """Some 500 writes, each with a run or two: an hour and a half on one core."""
    place = tmp_path / "place"
    args = ["train", *small_run(tiny_base, novels, place / "out"), *MORE]
    args += {"new": [], "--overwrite": [how], "--resume": ["max_steps=3", how]}[how]
    start = "" if how == "new" else str(run)
    check(Spec(args, f"{place}", start, NUMBERS[kind], lasts), library, least=100)
