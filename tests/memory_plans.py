"""Memory plans that many tests ask for, each made once, and cards that they fit or don't."""

from __future__ import annotations

from typing import Any

import pytest

from styledial.config import Config
from styledial.memory import fit, gpus, settle
from styledial.memory import plan as planning
from styledial.memory import savings as alternatives
from styledial.memory.plan import Plan

_PLANS: dict[tuple[str, ...], Plan] = {}


def plan(config: Config, *, card: gpus.Card | None = None, **how: Any) -> Plan:
    """As the plan proper, each made once: searches and tests ask for many of them again."""
    kind = (card.bf16, card.hopper, card.is_gpu) if card else None
    key = config.model_dump_json(), repr((kind, sorted(how.items())))
    if key not in _PLANS:
        _PLANS[key] = planning.plan(config, card=card, **how)
    return _PLANS[key]


@pytest.fixture(autouse=True)
def each_plan_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imported by a test file, it is in force there."""
    for module in (fit, settle, alternatives):
        monkeypatch.setattr(module, "plan", plan)


def card_between(*plans: object) -> gpus.Card:
    """A card on which the smaller of two plans fits and the larger doesn't."""
    totals = [found.total for found in plans]  # type: ignore[attr-defined]
    return gpus.Card("Test GPU", int(sum(totals) / 2 / (1 - gpus.MARGIN)))
