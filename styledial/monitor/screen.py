"""What a person sees while a run goes on: stages, a progress bar or plain lines, warnings."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from styledial.config import KLMode
from styledial.language import say
from styledial.training.components import StepMetrics

_SECONDS_BETWEEN_LINES = 10.0


class Screen:
    """Writes to stderr; silent on all processes but the first.

    With a terminal there is a live bar, without one a line every ten seconds, so that logs
    stay short.
    """

    def __init__(self, budget: float, quiet: bool = False, mode: KLMode = KLMode.BUDGET) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self.budget = budget
        self.mode = mode
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._printed = 0.0
        self._total = 0

    def note(self, en: str, zh: str) -> None:
        """Print a sentence in the user's language."""
        self.line(say(en, zh))

    def line(self, text: str) -> None:
        """A sentence that is already in the user's language."""
        self.console.print(text, markup=False, soft_wrap=True)

    def training(self, total_steps: int, done: int) -> Screen:
        """Use as `with screen.training(...)`: the bar lives for as long as the block."""
        self._total = total_steps
        if sys.stderr.isatty() and not self.console.quiet:
            self._progress = Progress(
                TextColumn("{task.completed}/{task.total}"),
                BarColumn(bar_width=24),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
                console=self.console,
            )
            self._task = self._progress.add_task("", total=total_steps, completed=done)
        return self

    def __enter__(self) -> Screen:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress:
            self._progress.stop()
            self._progress = None

    def step(self, metrics: StepMetrics) -> None:
        """Show the metrics of an update: on the bar, or at intervals as a line."""
        words = f"NLL {metrics.nll:.3f}  "
        if self.mode.reads_kl:  # a step of plain fine-tuning doesn't read KL
            aim = f"/{self.budget:g}" if self.mode.has_target else ""
            words += f"KL {metrics.kl:.3f}{aim}  lambda {metrics.coefficient:.3g}  "
        words += f"{metrics.tokens_per_second:,.0f} tok/s"
        if self._progress and self._task is not None:
            self._progress.update(self._task, completed=metrics.step, description=words)
        elif (
            metrics.step == self._total or time.monotonic() - self._printed > _SECONDS_BETWEEN_LINES
        ):
            self._printed = time.monotonic()
            self.console.print(f"  {metrics.step}/{self._total}  {words}", markup=False)
