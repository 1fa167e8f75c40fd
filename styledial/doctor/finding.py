"""What a rule says, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from styledial.doctor.record import Record
from styledial.language import say

# warning: something went wrong in this run. advice: the run is sound and could be better.
# info: a limit that was chosen and can be moved.
Severity = Literal["warning", "advice", "info"]
ORDER: tuple[Severity, ...] = ("warning", "advice", "info")
Words = tuple[str, str]  # the same sentence in English and in Chinese


@dataclass(frozen=True)
class Finding:
    """What was found, by which figures (`evidence`), and what to do (`advice`)."""

    rule: str
    severity: Severity
    evidence: Words
    advice: Words

    def as_json(self) -> dict[str, Any]:
        """In the user's language."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "evidence": say(*self.evidence),
            "advice": say(*self.advice),
        }


@dataclass(frozen=True)
class Rule:
    """`look` yields a pair (evidence, advice) where its pathology is there.

    `needs` names what of a Record must be there for it to judge; see record.MISSING.
    """

    name: str
    severity: Severity
    needs: tuple[str, ...]
    look: Callable[[Record], Iterator[tuple[Words, Words]]]

    def findings(self, run: Record) -> Iterator[Finding]:
        """Judge `run`; nothing where the pathology is absent."""
        for evidence, advice in self.look(run):
            yield Finding(self.name, self.severity, evidence, advice)


def rule(
    severity: Severity, *needs: str
) -> Callable[[Callable[[Record], Iterator[tuple[Words, Words]]]], Rule]:
    """A function of a Record as a Rule of the same name."""
    return lambda look: Rule(look.__name__, severity, needs, look)
