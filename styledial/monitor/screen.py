"""Messages on the screen during a run, and the progress of its updates."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from styledial import progress
from styledial.commands import rows
from styledial.config import KLMode
from styledial.language import say
from styledial.progress import Stage
from styledial.training.components import StepMetrics
from styledial.units import about, duration, fixed

# The label of the start block's rows that is the widest; those said later stand in line with it.
WIDEST = say("training", "训练")
# The time that all updates will take is said once after so many of them and so many seconds.
_UPDATES_SEEN, _SECONDS_SEEN = 3, 5.0


class Screen:
    """Writes to stderr; silent on all processes but the first."""

    def __init__(self, quiet: bool = False, mode: KLMode = KLMode.BUDGET) -> None:
        self.quiet = quiet
        self.mode = mode
        self._stage: Stage | None = None
        self._began = self._from = 0.0
        self._timed = False

    def note(self, en: str, zh: str) -> None:
        """Print a sentence in the user's language."""
        self.line(say(en, zh))

    def line(self, text: str) -> None:
        """A sentence that is already in the user's language."""
        if not self.quiet:
            progress.line(text)

    def lines(self, texts: Iterable[str]) -> None:
        """Several of them."""
        for text in texts:
            self.line(text)

    @contextmanager
    def training(self, total_steps: int, done: int) -> Iterator[None]:
        """The updates, of which `done` were made by an earlier start of the run."""
        self._began, self._from = time.monotonic(), done
        words = say("first update", "第一次更新") if done == 0 else say("updates", "更新")
        with progress.stage(words, total_steps, done=done) as self._stage:
            yield
        self._stage = None

    def updated(self, step: int) -> None:
        """Update `step` is over."""
        if self._stage:
            self._stage(step)
            self._say_time(step, int(self._stage.total or 0))

    def step(self, metrics: StepMetrics) -> None:
        """The figures of an update: of its own text, so `train`; the run's KL is held out."""
        if not self._stage:
            return
        of = f"{metrics.step}/{self._stage.total:.0f}"
        words = say(
            f"update {of}  train NLL {fixed(metrics.nll)}",
            f"第 {of} 步  训练 NLL {fixed(metrics.nll)}",
        )
        if self.mode.reads_kl:  # neither `anchor` nor plain fine-tuning reads it
            words += say(", ", "，") + f"KL {fixed(metrics.kl)}"
        self._stage(metrics.step, words=words)

    def _say_time(self, step: int, total: int) -> None:
        """Once, and only where there is something to wait for."""
        passed, made = time.monotonic() - self._began, step - self._from
        if self._timed or made < _UPDATES_SEEN or passed < _SECONDS_SEEN:
            return
        self._timed = True
        left = passed / made * (total - step)
        if left > 10:
            words = say(
                f"{duration(passed / made)} an update (measured); {total - step:,} left: about "
                f"{about(left)}, then measuring",
                f"每次更新 {duration(passed / made)}（实测）；剩余 {total - step:,} 次约需 "
                f"{about(left)}，之后测量结果",
            )
            for line in rows([(say("time", "时间"), words)], like=WIDEST):
                self.line(line)
