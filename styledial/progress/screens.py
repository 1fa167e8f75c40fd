"""Where stages are shown: a live bar on a terminal, else a line every ten seconds."""

from __future__ import annotations

import re
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING

from styledial.language import say
from styledial.progress.stages import state
from styledial.units import percent

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live as LiveOfRich

BETWEEN_LINES = 10.0  # seconds, without a terminal


class Screen:
    """Where stages are shown: `begin` and `end` come with the first one and after the last."""

    def begin(self) -> None:
        """Before the first stage is shown."""

    def end(self) -> None:
        """After the last."""

    def line(self, text: str) -> None:
        """A line of text that stays."""
        print(text, file=sys.stderr)


def screen_here() -> Screen:
    """A bar where stderr is a terminal that can redraw a line, else lines."""
    if not sys.stderr.isatty():
        return Lines()  # without importing rich
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    return Live(console) if console.is_terminal and not console.is_dumb_terminal else Lines()


class Lines(Screen):
    """A line every ten seconds in which nothing else was said, from a thread of its own."""

    def __init__(self) -> None:
        self._said = time.monotonic()
        self._over: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._printing = threading.Lock()

    def begin(self) -> None:
        """Start the thread that prints."""
        if self._over is None:
            self._over = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._over,), daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Stop the thread and wait for it."""
        if self._over is not None and self._thread is not None:
            self._over.set()
            self._thread.join()
            self._over = self._thread = None

    def line(self, text: str) -> None:
        """Print `text` on stderr; the next line of progress is due ten seconds later."""
        with self._printing:
            self._said = time.monotonic()
            print(text, file=sys.stderr, flush=True)

    def _run(self, over: threading.Event) -> None:
        while not over.wait(max(0.05, self._said + BETWEEN_LINES - time.monotonic())):
            if time.monotonic() >= self._said + BETWEEN_LINES:
                words, fraction, passing = state()
                if words:
                    told = [passing] if fraction is None else [percent(fraction), passing]
                    self.line(say(f"  {words}: {', '.join(told)}", f"  {words}：{'，'.join(told)}"))


class Live(Screen):
    """A bar on the terminal, redrawn by a thread of rich's; gone when the last stage is over."""

    def __init__(self, console: Console) -> None:
        from rich.spinner import Spinner

        self.console = console
        self._spinner = Spinner("line")
        self._live: LiveOfRich | None = None

    def begin(self) -> None:
        """Show the bar."""
        if self._live is None:
            from rich.live import Live as LiveOfRich

            self._live = live = LiveOfRich(
                console=self.console,
                get_renderable=self._drawn,
                refresh_per_second=8,
                transient=True,
                redirect_stdout=False,  # it would end on stderr
            )
            live.start(refresh=True)  # at once: the next import may hold the interpreter for long

    def end(self) -> None:
        """Remove the bar."""
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

    def line(self, text: str) -> None:
        """Print `text` above the bar."""
        self.console.print(wrapped(text, self.console.width), markup=False, soft_wrap=True)

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


# "  base      models/a: ..." and "  The target was not reached": words, where a row of a table or a
# command is something else.
_LABELLED = re.compile(r" +[\w.]+(?: \w+)? {2,}(?=\S)")
_SENTENCE = re.compile(r" +(?=[A-Z][a-z]* )")


def wrapped(text: str, width: int) -> str:
    """`text` for a terminal: sentences broken between words, those behind a label under their
    beginning; commands to be copied stay one line."""
    lines = []
    for each in text.split("\n"):
        label = _LABELLED.match(each) or _SENTENCE.match(each)
        chinese = max(each, default="") >= "\u2e80"  # breaks anywhere, as the terminal does
        if len(each) <= width or chinese or (each[0] == " " and not label):
            lines.append(each)
            continue
        under = " " * label.end() if label and label.end() <= width // 2 else ""
        lines += textwrap.wrap(each, width, subsequent_indent=under, break_on_hyphens=False)
    return "\n".join(lines)
