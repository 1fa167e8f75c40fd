"""Large libraries, imported without what costs seconds and brings nothing."""

from __future__ import annotations

import functools
import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def uncollected() -> Iterator[None]:
    """Python's cyclic garbage collector is off while the block runs. During imports it visits every
    object again and again and frees nothing: a sixth of their processor time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@functools.cache
def freeze_imported() -> None:
    """The collector no longer visits the objects that exist now, which are the libraries' and stay.

    Only the first call in a process counts: later ones would also keep what a command has made. Not
    told by gc.get_freeze_count, which walks through all of them: 40 ms."""
    gc.freeze()


@contextmanager
def without_bitsandbytes() -> Iterator[None]:
    """PEFT, imported and used in the block, treats bitsandbytes as not installed, unless it is
    imported already, as it is for a quantised base. Importing it brings torch's compiler along: a
    second of processor time. Afterwards PEFT finds it again.
    """
    # Other threads (the studio's) may want it at this moment.
    alone = threading.current_thread() is threading.main_thread()
    if not alone or "bitsandbytes" in sys.modules:
        yield
        return
    modules: dict[str, Any] = sys.modules
    modules["bitsandbytes"] = None  # Python's own way to say: not to be imported
    try:
        yield
    finally:
        del modules["bitsandbytes"]
        if answers := modules.get("peft.import_utils"):
            answers.is_bnb_available.cache_clear()
            answers.is_bnb_4bit_available.cache_clear()
