"""Advice as settings: what they are now, what they should be, and the command that does it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from styledial.doctor.record import Record
from styledial.files import beside, expanded
from styledial.language import typed
from styledial.run_folder.layout import CHECKPOINTS, SETTINGS

Change = Mapping[str, Any]  # "section.key" -> the value that it should have
# Those of a run that may be larger when it is resumed.
_LENGTH = ("training.max_steps", "training.num_train_epochs")


def differing(run: Record, change: Change) -> Change:
    """Without what is so already."""
    return {name: value for name, value in change.items() if _now(run, name) != value}


def in_words(run: Record, change: Change) -> str:
    """ "learning_rate 0.0001 -> 0.0002, lora_r 8 -> 16"; the same in both languages."""
    return ", ".join(
        f"{_key(name)} {_text(_now(run, name))} -> {_text(value)}" for name, value in change.items()
    )


def command_for(run: Record, change: Change) -> str:
    """What to type: more updates for this very run where only its length grows, else a new run
    beside it. Empty where nothing is to be changed."""
    if not change:
        return ""
    settings = [f"{_key(name)}={_text(value)}" for name, value in change.items()]
    if "training.num_train_epochs" in change and run.config.training.max_steps > 0:
        settings.append("max_steps=-1")
    if _resumable(run, change):
        return resuming(run, *settings)
    return " ".join([*_train(run), *settings, f"output_dir={typed(_beside(run.folder))}"])


def resuming(run: Record, *settings: str) -> str:
    """The command that goes on with this run, wherever it lies now: the settings of one that was
    moved or copied name another folder."""
    there = expanded(run.config.training.output_dir).resolve() == run.folder.resolve()
    here = [] if there else [f"output_dir={typed(run.folder)}"]
    return " ".join([*_train(run), "--resume", *settings, *here])


def _train(run: Record) -> tuple[str, str]:
    return "styledial train --config", typed(run.folder / SETTINGS)


def _resumable(run: Record, change: Change) -> bool:
    grows = all(name in _LENGTH and value > _now(run, name) for name, value in change.items())
    return grows and (run.folder / CHECKPOINTS).is_dir()


def _beside(folder: Path) -> Path:
    """A name for another run that is not taken yet: style-2 beside style."""
    names = (beside(folder, str(number)) for number in itertools.count(2))
    return next(name for name in names if not name.exists())


def _now(run: Record, name: str) -> Any:
    value = run.config.value_of(name)
    return run.steps if name == "training.max_steps" and value <= 0 else value


def _key(name: str) -> str:
    return name.partition(".")[2]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
