"""How a command begins: with a line at once, before anything large is imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from styledial import __version__, progress
from styledial.distributed import ranks
from styledial.language import say
from styledial.libraries import freeze_imported, uncollected

_LONGEST = 160  # characters of the first line


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say what begins, then show how far it is; only on the first process of a run. What the block
    writes to stdout belongs into `progress.paused()`."""
    first = ranks.place().first
    with progress.shown(quiet=not first):
        if first:
            shown = (
                what if len(what) <= _LONGEST else what[:_LONGEST] + "…"
            )  # a name of hundreds of letters
            progress.line(f"StyleDial {__version__}: {shown}")
        with progress.stage(say("working", "处理中"), background=True):
            yield


@contextmanager
def importing() -> Iterator[None]:
    """For the block that imports torch and transformers: half a minute on a cold disk."""
    words = say("loading PyTorch and transformers", "加载 PyTorch 和 transformers")
    with progress.stage(words), uncollected():
        yield
        freeze_imported()
