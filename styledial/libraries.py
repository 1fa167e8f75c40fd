"""Large libraries, imported without what costs seconds and brings nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Python's cyclic garbage collector rests while the block runs. During imports it walks through
    all that is there, again and again, and finds nothing: a sixth of their processor time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def leave_alone() -> None:
    """What is there now is the libraries', and stays: the collector doesn't look at it again. Only
    the first call in a process counts, as later ones would keep what a command has made."""
    if not gc.get_freeze_count():
        gc.freeze()
