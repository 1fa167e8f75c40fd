"""generate, chat and serve: a model or a base that isn't there, or is another, is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from running import invoke


@pytest.mark.parametrize("named", ["~nobody-here/run", "../..", "/dev/null", "a/b/c", "."])
def test_what_is_no_model_is_said(named: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for args in (("chat", named), ("generate", named, "--prompt", "x"), ("serve", named)):
        done = invoke(*args)
        assert done.returncode == 2, args
        assert named[:200] in done.stderr


def test_an_adapter_whose_base_is_gone_or_another(
    dialled_run: Path, tiny_base: Path, tmp_path: Path
) -> None:
    moved = Path(shutil.copytree(dialled_run, tmp_path / "moved"))
    (moved / "notes.exe").write_bytes(b"MZ\0unknown")  # a stranger's file is left alone
    base = json.loads((moved / "base.json").read_text())
    (moved / "base.json").write_text(json.dumps({**base, "model": str(tmp_path / "gone")}))
    other = Path(shutil.copytree(tiny_base, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "rope_theta": 5.0}))
    for command in ("generate", "chat", "serve"):
        more = ["--prompt", "x"] if command == "generate" else []
        done = invoke(command, moved, *more)
        assert done.returncode == 2, command
        assert "--base FOLDER" in done.stderr, command
        done = invoke(command, moved, *more, "--base", other)
        assert done.returncode == 2, command
        assert "not the base" in done.stderr or "another base" in done.stderr, done.stderr
    done = invoke("generate", moved, "--prompt", "x", "--max-new-tokens", 4, "--base", tiny_base)
    assert done.returncode == 0, done.stderr
    assert (moved / "notes.exe").read_bytes() == b"MZ\0unknown"


@pytest.mark.parametrize(
    ("command", "option"), [("generate", "--base"), ("chat", "--base"), ("generate", "")]
)
def test_a_base_that_is_not_there_is_named_as_it_was_typed(
    command: str, option: str, dialled_run: Path, tmp_path: Path
) -> None:
    """The sentence began with model.model_name_or_path, which nobody had typed."""
    gone = tmp_path / "gone"
    (gone / "x").mkdir(parents=True)
    (gone / "config.json").write_text("{}")
    prompt = [] if command == "chat" else ["--prompt", "x"]
    done = invoke(command, *([dialled_run, option, gone / "x"] if option else [gone]), *prompt)
    assert done.returncode == 2
    assert "model.model_name_or_path" not in done.stderr
    assert str(gone) in done.stderr
