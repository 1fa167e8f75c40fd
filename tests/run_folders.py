"""A run's folder made by hand, and processes that take it: for the tests of run_folder/."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from styledial.errors import UserError
from styledial.run_folder import manifest
from styledial.run_folder.claims import Claim, claimed
from styledial.run_folder.layout import OWN

FRESH, AGAIN, RESUME = Claim(), Claim(overwrite=True), Claim(resume=True)


def contents(folder: Path) -> dict[str, str]:
    """Path -> hash, of every file but those that say who owns the folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and OWN not in path.parts
    }


def a_run(folder: Path, mark: str = "one", steps: int = 20) -> None:
    """What a finished run leaves, each file with `mark` in it."""
    with claimed(folder, Claim(overwrite=folder.exists())) as run:
        run.set_aside_run()
        run.write_text("metrics.jsonl", "", grows=True)
        with (folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": 1, "tokens": 1, "mark": mark}) + "\n")
        a_checkpoint(folder, steps, mark)
        run.saved_whole()
        for name in ("adapter_config.json", "adapter_model.safetensors", "summary.json"):
            run.write_json(name, {"model": "base", "mark": mark})
        run.write_json("export/light/adapter_config.json", {"mark": mark})
        run.record(["metrics.jsonl"])


def a_checkpoint(folder: Path, step: int, mark: str) -> None:
    path = folder / f"checkpoints/step-{step}"
    path.mkdir(parents=True)
    (path / "state.json").write_text(json.dumps({"mark": mark}))
    (path / "optimizer.pt").write_text(mark)
    files = {p.name: manifest.described(p) for p in path.iterdir()}
    (path / "manifest.json").write_text(json.dumps({"format": 1, "files": files}))


def refused(folder: Path, claim: Claim, *words: str) -> str:
    before = contents(folder) if folder.is_dir() else {}
    with pytest.raises(UserError) as raised, claimed(folder, claim):
        pass
    assert all(word in raised.value.en for word in words), raised.value.en
    assert (contents(folder) if folder.is_dir() else {}) == before
    return raised.value.en


# Whose files they are


def forked(work: Callable[[], object]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        work()
    except UserError:
        os._exit(2)
    except BaseException:
        os._exit(1)
    os._exit(0)


def code_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
