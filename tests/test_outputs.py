"""Where commands write to: refused before the work where it can't be, and no file of the user's lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from running import invoke, small_run

from styledial.cli.main import guarded
from styledial.config import resolve
from styledial.distributed import ranks
from styledial.errors import ConfigError, UserError
from styledial.run.checks import check_launcher


@pytest.fixture
def run(tiny_base: Path, novels: Path, tmp_path: Path) -> Path:
    done = invoke("train", *small_run(tiny_base, novels, tmp_path / "run"), "max_steps=1")
    assert done.returncode == 0, done.stderr
    (tmp_path / "afile").write_text("mine")
    (tmp_path / "afolder").mkdir()
    (tmp_path / "alink").symlink_to("afile")
    return tmp_path / "run"


REFUSED = [
    (("download", "--model", "Qwen/Qwen2.5-7B", "--to", "afile"), "--to afile: is a file"),
    (("download", "--model", "Qwen/Qwen2.5-7B", "--to", "afile/x"), "afile is a file"),
    (("convert", "run", "-o", "afile"), "--output afile: is a file"),
    (("merge", "run", "-o", "afile"), "exists already"),
    (("merge", "run", "-o", "alink"), "exists already"),
    (("merge", "run", "-o", "afile/x"), "is a file"),
    (("report", "run", "-o", "afolder"), "--output afolder: is a folder"),
    (("report", "run", "-o", "afile"), "isn't a page that StyleDial wrote"),
    (("report", "run", "-o", "afile/x.html"), "afile is a file"),
    (("config", "init", "afile/x.yaml"), "afile is a file"),
    (("compare", "run", "-o", "afolder"), "--output afolder: is a folder"),
    (("compare", "run", "-o", "afile"), "isn't a page that StyleDial wrote"),
]


def test_what_cannot_be_written_is_refused_first(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tracebacks after all the work; `report -o notes.txt` replaced the notes."""
    monkeypatch.chdir(run.parent)
    monkeypatch.setattr("styledial.models.load.load_base", lambda *_, **__: pytest.fail("work"))
    for args, said in REFUSED:
        done = invoke(*args)
        assert (done.returncode, said in done.stderr) == (2, True), (args, done.stderr)
    assert (run.parent / "afile").read_text() == "mine"


def test_a_page_of_ours_is_written_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent)
    shutil.copytree("run", "other")
    for command in (("report", "run"), ("compare", "run", "other")):
        for _ in range(2):
            done = invoke(*command, "-o", f"{command[0]}.html")
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("value", ["4", "many", "0"])
def test_a_world_size_left_in_the_environment_is_ignored(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run waited for three processes that nobody had started, or ended in a traceback."""
    for name in ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", value)
    assert ranks.place() == ranks.Place(0, 1, 0, 1)
    guarded(lambda: None)
    assert f"WORLD_SIZE={value}" in capsys.readouterr().err
    torchrun = {"RANK": 1, "WORLD_SIZE": 2, "LOCAL_RANK": 1, "LOCAL_WORLD_SIZE": 2}
    for name, number in torchrun.items():
        monkeypatch.setenv(name, str(number))
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29500")
    assert ranks.place() == ranks.Place(1, 2, 1, 2)
    guarded_by = {name: os.environ[name] for name in torchrun}
    assert ranks.forget_left_over() == {}
    assert guarded_by == {name: os.environ[name] for name in torchrun}


@pytest.mark.parametrize("name", ["LOCAL_RANK", "RANK", "LOCAL_WORLD_SIZE"])
def test_any_of_them_alone_is_forgotten(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """accelerate took LOCAL_RANK=0 for a process of many, and asked for the address to meet at."""
    monkeypatch.setenv(name, "0")
    guarded(lambda: None)
    assert f"{name}=0" in capsys.readouterr().err
    assert name not in os.environ


@pytest.mark.parametrize("name", ["ACCELERATE_DYNAMO_BACKEND", "ACCELERATE_USE_CPU"])
def test_what_accelerate_does_not_know_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "junk")
    with pytest.raises(UserError, match=f"{name}=junk in the environment: allowed are"):
        check_launcher()
    monkeypatch.setenv(name, "no")
    check_launcher()


@pytest.mark.parametrize("command", ["generate", "chat"])
@pytest.mark.parametrize("value", ["inf", "nan"])
def test_a_temperature_is_finite(command: str, value: str, tmp_path: Path) -> None:
    done = invoke(command, tmp_path, "--temperature", value)
    assert done.returncode == 2
    assert "--temperature" in done.stderr


@pytest.mark.parametrize("typed", ["1e30", str(2**31)])
def test_updates_have_an_end(typed: str) -> None:
    with pytest.raises(ConfigError, match="max_steps"):
        resolve(options={"training.max_steps": typed})
