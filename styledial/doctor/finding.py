"""What a rule says, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from styledial.doctor.record import Record
from styledial.language import say

# warning: something went wrong in this run. advice: the run is sound and could be better.
# info: a limit that was chosen and can be moved.
Severity = Literal["warning", "advice", "info"]
ORDER: tuple[Severity, ...] = ("warning", "advice", "info")
# Which way advice moves the strength: findings that pull both ways are never given together.
Moves = Literal["stronger", "weaker", "neither"]
Words = tuple[str, str]  # the same sentence in English and in Chinese


class Found(NamedTuple):
    """What a rule yields. `change`: the settings that carry the advice out, by "section.key"."""

    evidence: Words
    advice: Words
    change: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Finding:
    """What was found, by which figures (`evidence`), and what to do (`advice`).

    `change` is the same advice as settings, and `command` what to type for it; both are empty
    where it is no matter of settings.
    """

    rule: str
    severity: Severity
    evidence: Words
    advice: Words
    change: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""

    def as_json(self) -> dict[str, Any]:
        """In the user's language."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "evidence": say(*self.evidence),
            "advice": say(*self.advice),
            "command": self.command,
        }


@dataclass(frozen=True)
class Rule:
    """`look` yields what it found where its pathology is there.

    `needs` names what of a Record must be there for it to judge; see record.MISSING.
    """

    name: str
    severity: Severity
    needs: tuple[str, ...]
    moves: Moves
    look: Callable[[Record], Iterator[Found]]

    def against(self, other: Rule) -> bool:
        """Whether the advice of the two pulls in opposite directions."""
        return {self.moves, other.moves} == {"stronger", "weaker"}


def rule(
    severity: Severity, *needs: str, moves: Moves = "neither"
) -> Callable[[Callable[[Record], Iterator[Found]]], Rule]:
    """A function of a Record as a Rule of the same name."""
    return lambda look: Rule(look.__name__, severity, needs, moves, look)
