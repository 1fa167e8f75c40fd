"""`--epochs 1` lost to `max_steps: 6` of the file without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from styledial.config import resolve


@pytest.fixture
def six(tmp_path: Path) -> Path:
    file = tmp_path / "c.yaml"
    file.write_text("training:\n  max_steps: 6\n", "utf-8")
    return file


def test_epochs_on_the_command_line_win(six: Path) -> None:
    config = resolve(six, options={"training.num_train_epochs": "1"})
    assert (config.training.max_steps, config.training.num_train_epochs) == (-1, 1)
    assert any("max_steps" in note for note in config.notes)


def test_steps_on_the_command_line_stay(six: Path) -> None:
    config = resolve(six, None, {"training.num_train_epochs": "1"}, ["training.max_steps=3"])
    assert config.training.max_steps == 3


def test_the_file_alone_is_as_before(six: Path) -> None:
    assert resolve(six).training.max_steps == 6
