"""All rules on one run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from styledial.doctor import budget, learning, output, speed, text
from styledial.doctor.change import command_for
from styledial.doctor.finding import ORDER, Finding, Rule, Words
from styledial.doctor.record import MISSING, Record, read_record
from styledial.language import typed

# Within a severity, the first is the first to fix: what spoils a run before what wastes it.
RULES: tuple[Rule, ...] = (
    learning.learning_rate_too_high,
    budget.budget_exceeded,
    text.memorising,
    text.overfitting,
    output.not_fluent,
    output.forgetting,
    text.too_little_data,
    learning.learning_rate_too_low,
    budget.budget_not_reached,
    budget.style_saturated,
    speed.slow_reference,
    speed.slow_small_micro_batch,
    speed.slow_checkpoints,
    budget.budget_binding,
    speed.memory_headroom,
)


def examine(run: Path | Record) -> list[Finding]:
    """What limits this run, the most important first; empty for a healthy one.

    Reads the run's files only: no model is loaded. A rule whose files aren't there is silent;
    `unjudged` names it. One whose advice pulls against that of a more important finding waits
    until that one is settled. Raises UserError for a folder that is no run.
    """
    record = run if isinstance(run, Record) else read_record(run)
    kept: list[tuple[Rule, Finding]] = []
    for rule in sorted(RULES, key=lambda rule: ORDER.index(rule.severity)):
        if not _lacks(rule, record) and not any(rule.against(other) for other, _ in kept):
            kept += [(rule, finding) for finding in _findings(rule, record)]
    return [finding for _, finding in kept]


def _findings(rule: Rule, record: Record) -> Iterator[Finding]:
    for found in rule.look(record):
        command = command_for(record, found.change)
        yield Finding(rule.name, rule.severity, *found, command=command)


def limit(record: Record) -> Words | None:
    """What sets the strength of the style where nothing has gone wrong; else None."""
    wrong = any(finding.severity == "warning" for finding in examine(record))
    return None if wrong else budget.what_limits(record)


def unjudged(record: Record) -> list[tuple[str, Words]]:
    """(rule, why it could not judge and what would let it) for every rule that was silent so."""
    skipped = []
    for rule in RULES:
        if lacking := _lacks(rule, record):
            # What an unfinished run lacks, no command can measure yet.
            en, zh = MISSING[lacking[0] if record.has("summary") else "summary"]
            folder = typed(record.folder)
            skipped.append((rule.name, (en.format(folder), zh.format(folder))))
    return skipped


def _lacks(rule: Rule, record: Record) -> list[str]:
    return [part for part in rule.needs if not record.has(part)]
