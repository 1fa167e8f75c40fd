"""The open stages of long work, the outermost first, and their progress."""

from __future__ import annotations

import time

from styledial.language import say
from styledial.units import about, duration

# Time to come is only told once this part of a stage, and this many seconds, have been seen.
_SEEN, _SEEN_SECONDS = 0.02, 2.0


class Stage:
    """Something that takes long. `words` may change on the way; `total` None: unknown. One in
    the `background` is only spoken of where nothing within it has words."""

    def __init__(
        self, words: str, total: float | None, *, done: float = 0.0, background: bool = False
    ) -> None:
        self.words, self.total, self.background = words, total, background
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


# The open stages of this process.
opened: list[Stage] = []


def state() -> tuple[str, float | None, str]:
    """Of the open stages: what is done, how much of it (0 to 1), and the time in words."""
    stages = list(opened)
    fraction: float | None = None
    for each in reversed(stages):
        fraction = each.fraction(fraction or 0.0)
    spoken = _spoken(stages)
    words = say(": ", "：").join(dict.fromkeys(each.words for each in spoken))
    counted = next((each for each in stages if each.total), None)
    left = counted.left(fraction) if counted and fraction is not None else None
    if left is not None:
        return words, fraction, say(f"about {about(left)} left", f"约剩 {about(left)}")
    if not spoken:
        return words, fraction, ""
    passed = duration(time.monotonic() - spoken[-1].began)
    return words, fraction, say(f"{passed} so far", f"已用 {passed}")


def _spoken(stages: list[Stage]) -> list[Stage]:
    """The stages whose words are shown: down to the first one that is counted, which stands for
    those within."""
    worded = [each for each in stages if each.words]
    spoken = [each for each in worded if not each.background] or worded[-1:]
    counted = next((n for n, each in enumerate(spoken) if each.total), len(spoken))
    return spoken[: counted + 1]
