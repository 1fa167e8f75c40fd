"""Paths in settings: variables of the environment, ~, and YAML's comments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from styledial.config import resolve
from styledial.errors import ConfigError, ModelError
from styledial.models.locate import find_base


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("$NOVELS/old", "/books/old"),
        ("${NOVELS}", "/books"),
        ("${NOVELS}x", "/booksx"),
        ("~/novels", "/home/me/novels"),
        ("$HOME/novels", "/home/me/novels"),
        ("cost 5$ each", "cost 5$ each"),
    ],
)
def test_variables_are_filled_in(typed: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVELS", "/books")
    monkeypatch.setenv("HOME", "/home/me")
    assert resolve(assignments=[f"data.data_dir={typed}"]).data.data_dir == path
    assert resolve(assignments=[f"training.output_dir={typed}"]).training.output_dir == path


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("$NO_SUCH_THING/a", "NO_SUCH_THING is not set"),
        ("${NO_SUCH_THING}", "NO_SUCH_THING is not set"),
        ("${NOVELS:-/books}", "is not understood"),
        ("${NOVELS", "is not understood"),
        ("$EMPTY/a", "EMPTY is not set"),
        ("~nobody-of-this-name/a", "there is no user nobody-of-this-name"),
    ],
)
def test_an_unset_variable_is_refused(
    typed: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(ConfigError, match="data.data_dir: .*" + said):
        resolve(options={"data.data_dir": typed})


@pytest.mark.skipif(os.name == "nt", reason="there these are paths")
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (r"C:\novels\new", "written as on Windows"),
        ("D:/novels", "written as on Windows"),
        (r"outputs\style", "written as on Windows"),
        ("%USERPROFILE%/novels", r"here it is \$USERPROFILE"),
        ("C:\new\table", "has a line break, a tab"),  # YAML's "C:\\new\\table"
        ("a\x07b", "control character"),
    ],
)
@pytest.mark.parametrize("name", ["training.output_dir", "data.data_dir"])
def test_a_path_of_another_system_makes_no_strange_folder(name: str, typed: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        resolve(options={name: typed})


def test_a_folder_with_a_backslash_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a\\b").mkdir()
    assert resolve(assignments=["data.data_dir=a\\b"]).data.data_dir == "a\\b"


@pytest.mark.parametrize(
    "typed", ["data／novels", "～/data/novels", " data/novels ", "“data/novels”"]
)
def test_a_path_from_a_chinese_keyboard(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data/novels").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    found = Path(resolve(options={"data.data_dir": typed}).data.data_dir)
    assert found.resolve() == (tmp_path / "data/novels").resolve()


def test_a_folder_with_a_dollar_in_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "$NOVELS").mkdir()
    monkeypatch.setenv("NOVELS", "/books")
    assert resolve(assignments=["data.data_dir=$NOVELS"]).data.data_dir == "$NOVELS"


def _file(folder: Path, line: str) -> Path:
    section = "training" if "output_dir" in line else "data"
    path = folder / "c.yaml"
    path.write_text(f"{section}:\n  {line}\n", "utf-8")
    return path


def test_a_number_sign_in_a_folder_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`my novels #2` was read as `my novels`, and another folder was trained on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my novels").mkdir()
    (tmp_path / "my novels #2").mkdir()
    with pytest.raises(ConfigError, match='write data_dir: "my novels #2" for it'):
        resolve(_file(tmp_path, "data_dir: my novels #2"))
    quoted = resolve(_file(tmp_path, 'data_dir: "my novels #2"  # mine'))
    assert (quoted.data.data_dir, quoted.notes) == ("my novels #2", [])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("data_dir: my novels #2", True),
        ("output_dir: my run #2", True),
        ("output_dir: my run  # the second", False),
        ("data_dir: .  # here", False),
        ("anchor: self # by the base", False),
        ("data_dir: a#b", False),
    ],
)
def test_a_path_cut_off_at_a_number_sign_is_said(tmp_path: Path, line: str, said: bool) -> None:
    notes = resolve(_file(tmp_path, line)).notes
    assert [True for note in notes if "for a comment" in note] == [True] * said


def test_a_models_name_and_what_is_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STYLEDIAL_HOME", str(tmp_path / "home"))
    assert find_base("qwen2.5-7b") == "qwen2.5-7b"  # a guide's model, without its owner
    (tmp_path / "afile").touch()
    for name in ("afile/x", "nowhere"):
        with pytest.raises(ModelError, match="no such folder"):
            find_base(name)
