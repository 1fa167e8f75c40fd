"""Moments in the life of a run at which a test lets something happen: a signal, a full disk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from styledial.monitor import trackers
from styledial.run import conclude, load, prepare, updates
from styledial.training import checkpoint, step

# What is called when, by the name under which it is looked up. The order of a run.
LOADING = {
    "texts": (load, "read_texts"),
    "model": (load, "build_policy"),
    "samples of the base": (prepare, "sample"),
    "anchor": (prepare, "build_anchor"),
    "trackers": (trackers, "Trackers"),
}  # fmt: skip
UPDATES = {
    "update": (step, "micro_batch"),
    "reading": (updates, "measure"),
    "checkpoint": (checkpoint, "save_file"),
}
CONCLUSION = {
    "landing": (conclude, "_land"),
    "saving": (conclude, "save_model"),
    "figures": (conclude, "_measure"),
    "samples": (conclude, "write_samples"),
    "evaluation": (conclude, "evaluate_at_end"),
}  # fmt: skip
MOMENTS = LOADING | UPDATES | CONCLUSION


@contextlib.contextmanager
def happening(moment: str, happens: Callable[[], Any], *, after: bool = False) -> Iterator[None]:
    """Let something happen when that moment comes for the first time, or when it is over."""
    owner, name = MOMENTS[moment]
    real, happened = getattr(owner, name), []

    def call(*args: Any, **kwargs: Any) -> Any:
        first = not happened
        happened.append(moment)
        if first and not after:
            happens()
        result = real(*args, **kwargs)
        if first and after:
            happens()
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, call)
        yield
    assert happened, f"{moment} never came"
