"""Progress of long work: what is being done, how far it is, and the time left.

    with shown():                                    a command: on a terminal a live bar on stderr,
        with stage("anchor text", 64) as at:         without one a line every ten seconds
            at(17)

Code that takes long opens a stage; the command that talks to the user shows it. Where nothing is
shown (other processes of a run, use as a library) a stage costs nothing and is silent.

Stages may lie in each other: "strengths 3 of 11" with "reading 5 of 20 rows" in it is one bar, at
(3 + 5/20) / 11. A stage without a total shows the time that has passed.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

from styledial.progress.screens import Screen, screen_here, wrapped
from styledial.progress.stages import Stage, opened, state

__all__ = ["Stage", "complain", "line", "paused", "result", "shown", "stage", "state", "tracked"]

T = TypeVar("T")
_screen: Screen | None = None


@contextlib.contextmanager
def stage(
    words: str = "", total: float | None = None, *, done: float = 0.0, background: bool = False
) -> Iterator[Stage]:
    """A stage for as long as the block lasts; call what it gives with how much is done."""
    new = Stage(words, total, done=done, background=background)
    opened.append(new)
    try:
        if _screen:
            _screen.begin()
        yield new
    finally:
        if new in opened:
            opened.remove(new)
        if _screen and not opened:
            _screen.end()


def tracked(items: Sequence[T], words: str = "") -> Iterator[T]:
    """The items in turn, a stage that counts them."""
    with stage(words, len(items)) as at:
        for number, item in enumerate(items):
            at(number)
            yield item


@contextlib.contextmanager
def shown(*, quiet: bool = False) -> Iterator[None]:
    """Show the stages that are opened in this block, unless `quiet` or already shown."""
    global _screen
    if quiet or _screen:
        yield
        return
    _screen = screen_here()
    try:
        yield
    finally:
        _screen.end()
        _screen = None
        opened.clear()  # a stage of `tracked` may outlive an error


def line(text: str) -> None:
    """A sentence on stderr, above the bar where there is one."""
    if _screen:
        _screen.line(text)
    else:
        print(text, file=sys.stderr)


def complain(text: str) -> None:
    """An error, when nothing is shown any more."""
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else 0
    print(wrapped(text, width) if width else text, file=sys.stderr)


def result(text: str) -> None:
    """A sentence of a command's result on stdout, broken between words on a terminal."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    print(wrapped(text, width) if width else text)


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """No bar in this block: for a command's result on stdout, while stages are open."""
    if _screen:
        _screen.end()
    try:
        yield
    finally:
        if _screen and opened:
            _screen.begin()
