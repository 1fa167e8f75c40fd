"""What takes long says what it does, how far it is and how long still.

    with shown():                                    a command: on a terminal a live bar on stderr,
        with stage("anchor text", 64) as at:         without one a line every ten seconds
            at(17)

Whoever does something long opens a stage, whoever talks to the user shows it. Where nothing is
shown (other processes of a run, use as a library) a stage costs nothing and is silent.

Stages may lie in each other: "strengths 3 of 11" with "reading 5 of 20 rows" in it is one bar, at
(3 + 5/20) / 11. A stage without a total shows the time that has passed.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from styledial.language import say
from styledial.units import about, duration, percent

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

T = TypeVar("T")

BETWEEN_LINES = 10.0  # seconds, without a terminal
# Time to come is only told once this part of a stage, and this many seconds, have been seen.
_SEEN, _SEEN_SECONDS = 0.02, 2.0


class Stage:
    """Something that takes long. `words` may change on the way; `total` None: nobody knows."""

    def __init__(self, words: str, total: float | None, *, done: float = 0.0) -> None:
        self.words, self.total = words, total
        self.done = self._first = done
        self.began = time.monotonic()
        self._furthest = 0.0

    def __call__(self, done: float, total: float | None = None, words: str | None = None) -> None:
        """`done` of `total` is done now."""
        self.done = done
        self.total = self.total if total is None else total
        self.words = self.words if words is None else words

    def fraction(self, within: float) -> float | None:
        """How much is done, 0 to 1, with `within` of the present unit; never falls back."""
        if not self.total:
            return within or None
        self._furthest = max(self._furthest, min(1.0, (self.done + within) / self.total))
        return self._furthest

    def left(self, fraction: float) -> float | None:
        """Seconds to come at the pace so far; None where too little has been seen."""
        passed = time.monotonic() - self.began
        seen = fraction - (self._first / self.total if self.total else 0.0)
        if seen < _SEEN or passed < _SEEN_SECONDS:
            return None
        return passed * (1 - fraction) / seen


_open: list[Stage] = []
_screen: _Screen | None = None


@contextlib.contextmanager
def stage(words: str = "", total: float | None = None, *, done: float = 0.0) -> Iterator[Stage]:
    """A stage for as long as the block lasts; call what it gives with how much is done."""
    opened = Stage(words, total, done=done)
    _open.append(opened)
    try:
        if _screen:
            _screen.begin()
        yield opened
    finally:
        if opened in _open:
            _open.remove(opened)
        if _screen and not _open:
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
    _screen = _Live() if sys.stderr.isatty() else _Lines()
    try:
        yield
    finally:
        _screen.end()
        _screen = None
        _open.clear()  # a stage of `tracked` may outlive an error


def line(text: str) -> None:
    """A sentence on stderr, above the bar where there is one."""
    if _screen:
        _screen.line(text)
    else:
        print(text, file=sys.stderr)


def out(text: str) -> None:
    """A line of a command's result on stdout, while stages are open."""
    if _screen:
        _screen.end()
    print(text, flush=True)
    if _screen and _open:
        _screen.begin()


def state() -> tuple[str, float | None, str]:
    """Of the open stages: what is done, how much of it (0 to 1), and the time in words."""
    stages = list(_open)
    words = _words(stages)
    fraction: float | None = None
    for each in reversed(stages):
        fraction = each.fraction(fraction or 0.0)
    if not stages:
        return "", None, ""
    first = stages[0]
    left = first.left(fraction) if fraction is not None else None
    if left is None:
        return words, fraction, duration(time.monotonic() - first.began)
    return words, fraction, say(f"about {about(left)} left", f"约剩 {about(left)}")


def _words(stages: list[Stage]) -> str:
    """Of the first stage, which is what is counted; those within add to it where it isn't."""
    said: list[str] = []
    for each in stages:
        if each.words and each.words not in said:
            said.append(each.words)
        if each.total and said:
            break
    return say(": ", "：").join(said)


class _Screen:
    """Where stages are shown: `begin` and `end` come with the first one and after the last."""

    def begin(self) -> None: ...

    def end(self) -> None: ...

    def line(self, text: str) -> None:
        print(text, file=sys.stderr)


class _Lines(_Screen):
    """A line every ten seconds in which nothing else was said, from a thread of its own."""

    def __init__(self) -> None:
        self._said = time.monotonic()
        self._over: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._printing = threading.Lock()

    def begin(self) -> None:
        if self._over is None:
            self._over = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._over,), daemon=True)
            self._thread.start()

    def end(self) -> None:
        if self._over is not None and self._thread is not None:
            self._over.set()
            self._thread.join()
            self._over = self._thread = None

    def line(self, text: str) -> None:
        with self._printing:
            self._said = time.monotonic()
            print(text, file=sys.stderr, flush=True)

    def _run(self, over: threading.Event) -> None:
        while not over.wait(max(0.05, self._said + BETWEEN_LINES - time.monotonic())):
            if time.monotonic() >= self._said + BETWEEN_LINES:
                words, fraction, passing = state()
                if words:
                    part = "" if fraction is None else f" {percent(fraction)},"
                    self.line(f"  {words}:{part} {passing}")


class _Live(_Screen):
    """A bar on the terminal, redrawn by a thread of rich's; gone when the last stage is over."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.spinner import Spinner

        self.console: Console = Console(stderr=True, highlight=False)
        self._spinner = Spinner("line")
        self._live: Live | None = None

    def begin(self) -> None:
        if self._live is None:
            from rich.live import Live

            self._live = live = Live(
                console=self.console,
                get_renderable=self._drawn,
                refresh_per_second=8,
                transient=True,
                redirect_stdout=False,  # it would end on stderr
            )
            live.start(refresh=True)  # at once: the next import may hold the interpreter for long

    def end(self) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

    def line(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def _drawn(self) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        words, fraction, passing = state()
        row = Table.grid(padding=(0, 1))
        cells: list[RenderableType] = [self._spinner]
        taken = 2
        if fraction is not None:
            part = percent(fraction)
            cells += [ProgressBar(total=1.0, completed=fraction, width=12), part]
            taken += 13 + len(part) + 1
        text = Text(words, no_wrap=True)
        taken += Text(passing).cell_len + 2
        text.truncate(max(8, self.console.width - taken), overflow="ellipsis")
        row.add_row(*cells, text, Text(passing, style="dim"))
        return row
