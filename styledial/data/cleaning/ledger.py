"""What was dropped from a book and why: every cleaning step writes here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from styledial.data.overrides import NONE, Overrides


class Line(NamedTuple):
    """A line, or after re-joining a paragraph, with the number of the line where it began."""

    number: int
    text: str


class Drop(NamedTuple):
    """One thing that went: where it was, why, and its text."""

    number: int
    reason: str
    text: str


@dataclass
class Ledger:
    """Characters dropped by reason, counted as they were in the file.

    `listed` receives each Drop as it happens (for --show-drops); it may do nothing.
    `broken` counts characters that an earlier conversion had lost (U+FFFD, private use), `odd`
    those that look like stand-ins for such (boxes, stray kana, lone letters).
    `overrides` are the user's: a line that they keep isn't dropped but waits in `restored`.
    """

    listed: Callable[[Drop], None] = lambda drop: None
    overrides: Overrides = NONE
    chars_in: int = 0
    chars_out: int = 0
    broken: int = 0
    odd: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    restored: list[Line] = field(default_factory=list)

    def drop(self, line: Line, reason: str, part: str | None = None) -> None:
        """Note that `line`, or only `part` of it, went because of `reason`."""
        if part is None and self.overrides.keeps(line.text):
            self.restored.append(line)
            return
        text = line.text if part is None else part
        self.drops[reason] += len(text)
        self.listed(Drop(line.number, reason, text.strip()))

    def closed(self) -> dict[str, int]:
        """Drops by reason, with the layout (spaces, line ends, widths) as what is left over:
        chars_in = chars_out + the sum of these."""
        rest = self.chars_in - self.chars_out - sum(self.drops.values())
        found = {reason: count for reason, count in sorted(self.drops.items()) if count}
        return {**found, "layout": rest} if rest else found
