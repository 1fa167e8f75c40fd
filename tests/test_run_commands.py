"""Commands on run folders: refused where they would harm one, and one at a time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from run_folders import code_of, contents, forked
from running import SHORT_END, Done, invoke, small_run

from styledial.errors import UserError
from styledial.monitor import trackers
from styledial.run_folder import manifest
from styledial.run_folder.claims import writing
from styledial.run_folder.layout import OWN
from styledial.run_folder.ownership import RunFolder


def trained(*args: object) -> Done:
    with pytest.MonkeyPatch.context() as patch:
        for each in SHORT_END:
            patch.setattr(*each)
        return invoke("train", *args)


def short(base: Path, novels: Path, output: Path) -> list[str]:
    return [*small_run(base, novels, output), "max_steps=2"]


@pytest.mark.parametrize("more", [[], ["--overwrite"], ["--resume"]])
@pytest.mark.parametrize("where", ["base", "base/inside", "general"])
def test_a_run_into_what_it_reads(
    more: list[str], where: str, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """With --overwrite the base's config.json and weights were deleted, with exit code 0."""
    base = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    general = Path(shutil.copytree(novels, tmp_path / "general"))
    before = contents(tmp_path)
    done = trained(*short(base, novels, tmp_path / where), f"data.general={general}", *more)
    assert done.returncode == 2
    assert "name a folder outside" in done.stderr
    assert contents(tmp_path) == before


@pytest.mark.parametrize("more", [[], ["--overwrite"], ["--resume"]])
def test_a_run_into_a_project_or_another_model(
    more: list[str], tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(tiny_base, tmp_path / "model"))
    project = tmp_path / "project"
    for name in ("train_config.yaml", "config.json", "checkpoints/best.pt", "export/a/config.json"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("{}")
    before = contents(tmp_path)
    for folder, name in ((model, "model.safetensors"), (project, "train_config.yaml")):
        done = trained(*short(tiny_base, novels, folder), *more)
        assert done.returncode == 2
        assert name in done.stderr
    assert contents(tmp_path) == before


def test_a_cache_that_would_be_cleared(tiny_base: Path, novels: Path, tmp_path: Path) -> None:
    cache = tmp_path / "out/.styledial-cache/states"
    done = trained(*short(tiny_base, novels, tmp_path / "out"), f"training.reference_cache={cache}")
    assert done.returncode == 2
    assert "clears or continues from" in done.stderr


@pytest.fixture(scope="module")
def chat_run(tiny_base: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on a base with a chat template."""
    folder = tmp_path_factory.mktemp("chat")
    base = Path(shutil.copytree(tiny_base, folder / "base"))
    (base / "chat_template.jinja").write_text("{{ messages[0].content }}")
    done = trained(*short(base, novels, folder / "out"))
    assert done.returncode == 0, done.stderr
    assert (folder / "out/chat_template.jinja").is_file()
    return folder / "out"


def test_a_chat_template_doesnt_outlive_its_run(
    chat_run: Path, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """A base's run in the place of a chat model's shipped the other's template."""
    folder = Path(shutil.copytree(chat_run, tmp_path / "out"))
    done = trained(*short(tiny_base, novels, folder), "--overwrite")
    assert done.returncode == 0, done.stderr
    assert not (folder / "chat_template.jinja").exists()
    assert (folder / "tokenizer.json").is_file()


def test_a_tracker_that_cannot_start_costs_nothing(
    chat_run: Path, tiny_base: Path, novels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finished run that was to be replaced used to be gone by then."""
    folder = Path(shutil.copytree(chat_run, tmp_path / "out"))
    before = contents(folder)

    def broken(*args: object, **named: object) -> None:
        raise UserError("training.report_to: wandb could not be started", "")

    monkeypatch.setattr(trackers, "Trackers", broken)
    done = trained(*short(tiny_base, novels, folder), "--overwrite")
    assert done.returncode == 2
    assert "could not be started" in done.stderr
    assert contents(folder) == before


def test_everything_that_a_run_left_is_listed(chat_run: Path) -> None:
    run = RunFolder(chat_run)
    listed = manifest.Manifest.load(chat_run / OWN)
    assert listed
    # A checkpoint lists its own files, in a manifest of its own.
    others = {name for name in contents(chat_run) if not name.startswith("checkpoints/")}
    assert set(listed.files) == others
    run.manifest = listed
    assert all(run.ours(name) for name in listed.files)
    assert not any(entry.get("grows") for entry in listed.files.values())


def test_other_commands_wait_their_turn(chat_run: Path, tmp_path: Path) -> None:
    """A report in the middle of a run would be of half a run, and overwritten."""
    folder = Path(shutil.copytree(chat_run, tmp_path / "out"))
    before = contents(folder)
    with Holding(folder):
        for command in (["dial", folder], ["evaluate", folder], ["report", folder]):
            done = invoke(*command)
            assert done.returncode == 2
            assert "is in use by another StyleDial process" in done.stderr
        assert invoke("report", folder, "-o", tmp_path / "r.html").returncode == 0
    assert contents(folder) == before


class Holding:
    """Another process that owns the folder for as long as the block lasts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        def hold() -> None:
            with writing(self.folder):
                ready.touch()
                time.sleep(300)

        ready = self.folder.parent / "held"
        self.child = forked(hold)
        while not ready.exists():
            time.sleep(0.01)

    def __exit__(self, *error: object) -> None:
        os.kill(self.child, signal.SIGKILL)
        code_of(self.child)


@pytest.mark.slow  # without the file: test_resume_more.py
def test_the_settings_file_may_be_edited_to_what_is_asked_for(
    chat_run: Path, novels: Path, tmp_path: Path
) -> None:
    """`--config out/train_config.yaml --resume`, after a change in it: taken, and left as it is."""
    folder = tmp_path / "out"
    base = chat_run.parent / "base"
    settings = [*short(base, novels, folder), "save_steps=1"]
    assert trained(*settings).returncode == 0
    path = folder / "train_config.yaml"
    edited = path.read_text().replace("max_steps: 2", "max_steps: 3  # a little more")
    path.write_text(edited)
    done = trained("--config", path, "--resume")
    assert done.returncode == 0, done.stderr
    assert path.read_text() == edited
    assert json.loads((folder / "summary.json").read_text())["steps"] == 3
    done = trained("--config", path, "--overwrite")
    assert done.returncode == 2
    assert "train_config.yaml" in done.stderr
