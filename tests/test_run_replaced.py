"""Whatever fails while a run is replaced or resumed, one of the two is whole."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from marks import slow_but
from run_folders import AGAIN, FRESH, RESUME, a_checkpoint, a_run, contents

from styledial.errors import UserError
from styledial.run_folder import ownership
from styledial.run_folder.claims import claimed, writing
from styledial.run_folder.layout import OWN
from styledial.run_folder.lock import LOCK, OWNER


class Crash(BaseException):
    """The process is gone: nothing that runs after it may count."""


# Everything that changes the disk, by the name it is called under.
CALLS = [
    (Path, "replace"), (Path, "rename"), (Path, "unlink"), (Path, "rmdir"), (Path, "mkdir"),
    (shutil, "rmtree"), (os, "fsync"), (ownership, "share"), (Path, "write_text"),
]  # fmt: skip


@contextlib.contextmanager
def failing(at: int, error: BaseException) -> Iterator[list[str]]:
    """The `at`-th call fails before it acts, and with a Crash all that follow do too."""
    made: list[str] = []

    def wrapped(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            made.append(name)
            if len(made) == at + 1 or (isinstance(error, Crash) and len(made) > at + 1):
                raise error
            return real(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in CALLS:
            patch.setattr(owner, name, wrapped(getattr(owner, name), name))
        yield made


def replace(folder: Path) -> None:
    """A new run as `run.train` makes it, in short."""
    with claimed(folder, AGAIN) as run:
        run.set_aside_run()
        run.write_json("train_config.yaml", {"mark": "two"})
        run.write_text("metrics.jsonl", "", grows=True)
        with (folder / "metrics.jsonl").open("a") as file:
            file.write('{"step": 1, "tokens": 1, "mark": "two"}\n')
        run.write_json("adapter_config.json", {"mark": "two"})
        run.write_json("adapter_model.safetensors", {"mark": "two"})
        run.let_go()
        run.write_json("summary.json", {"mark": "two"})


ERRORS = {
    "killed": Crash(),
    "full": OSError(28, "No space left on device"),
    "read-only": OSError(30, "Read-only file system"),
}


@pytest.mark.parametrize("error", slow_but(ERRORS, "killed"))
def test_whatever_fails_while_a_run_is_replaced_one_of_the_two_is_whole(
    tmp_path: Path, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # 50,000 of them; their places stay
    whole = tmp_path / "whole"
    a_run(whole)
    (whole / "notes.txt").write_text("mine")
    earlier = contents(whole)
    shutil.copytree(whole, tmp_path / "counted")
    with failing(10**6, ERRORS[error]) as made:
        replace(tmp_path / "counted")
    new = contents(tmp_path / "counted")
    assert len(made) > 60
    outcomes = set()
    for at in range(len(made)):
        folder = Path(shutil.copytree(whole, tmp_path / f"{at}"))
        with failing(at, ERRORS[error]), contextlib.suppress(Crash, UserError, OSError):
            replace(folder)
        lock_forgotten(folder)
        with writing(folder):  # the next process puts things right
            found = contents(folder)
        without = {n: h for n, h in new.items() if n != "summary.json"}
        assert found in (earlier, new, without), (at, made[at])
        outcomes.add([earlier, new, without].index(found))
        replace_now = {**found}  # and the folder can be used as before
        with contextlib.suppress(Crash):
            replace(folder)
        assert contents(folder) == new, replace_now
        shutil.rmtree(folder)
    assert outcomes >= {0, 2}


def lock_forgotten(folder: Path) -> None:
    """A Crash leaves the lock in this process; in a real one it went with it."""
    from styledial.run_folder import claims

    claims._owned.clear()
    with contextlib.suppress(OSError):
        (folder / OWN / OWNER).unlink()
    (folder / OWN / LOCK).unlink(missing_ok=True)  # the next one locks a file of its own


def test_a_resumed_run_that_dies_does_not_look_finished(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    a_run(folder)
    with contextlib.suppress(ValueError), claimed(folder, RESUME) as run:
        run.set_aside(["summary.json"])
        run.changed = True
        raise ValueError
    assert not (folder / "summary.json").exists()
    with writing(folder):
        assert not (folder / "summary.json").exists()
    with contextlib.suppress(ValueError), claimed(folder, AGAIN) as run:
        run.set_aside_run()
        raise ValueError
    assert not (folder / "summary.json").exists()  # as it was: an interrupted run


def test_a_resumed_run_that_does_nothing_leaves_it_finished(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    a_run(folder)
    before = contents(folder)
    with contextlib.suppress(ValueError), claimed(folder, RESUME) as run:
        run.set_aside(["summary.json"])
        raise ValueError
    assert contents(folder) == before


def test_checkpoints_on_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`checkpoints` as a link to a large disk: a rename can't reach it, and the link stays."""
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "large").mkdir()
    (folder / "checkpoints").symlink_to(tmp_path / "large")
    with claimed(folder, FRESH) as run:
        run.write_text("summary.json", "{}")
        a_checkpoint(folder, 20, "one")
    real = Path.replace

    def replace_on_one_disk(self: Path, target: Path) -> Path:
        if "step-20" in str(self) + str(target):
            raise OSError(18, "Invalid cross-device link")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace_on_one_disk)
    before = contents(folder)
    with contextlib.suppress(ValueError), claimed(folder, AGAIN) as run:
        run.set_aside_run()
        assert list((tmp_path / "large").iterdir()) == []
        raise ValueError
    assert contents(folder) == before
    assert (folder / "checkpoints").is_symlink()


# Whole runs
