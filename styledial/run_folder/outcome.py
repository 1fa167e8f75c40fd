"""The outcome of a run, judged from its summary in one place, so that screen, report and doctor
agree.

Each judgement is a state and a word in the user's language; the figures stand beside it where it
is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from styledial.config import KLMode
from styledial.language import say
from styledial.run_folder.metrics import is_number

State = Literal["good", "watch", "bad", "unknown"]
# A run that ends below this part of its budget had more to learn, not a budget that was too small:
# landing comes within 0.5 %, and the two halves of the held-out text differ by a few.
REACHED = 0.95
# Further above its target than this, a run is stronger than was asked.
_PASSED = 1.1
# Half of the held-out text sets the scale, the other half is what is reported: they may be as far
# apart as this.
_OTHER_HALF = 1.1
# Changes of loss, nats per token. General text: less is nearly none; more than the second is what
# the doctor calls forgetting, 5 % less likely per token (perplexity) than under the base: at
# budgets up to 0.15 with an anchor nothing was lost on real novels; plain fine-tuning lost 0.14.
# Style gained below the third is none.
UNCHANGED, FORGOTTEN, _CLOSER = 0.02, 0.05, 0.01


class Judged(NamedTuple):
    """`word`: as it is shown."""

    state: State
    word: str


def change_of(summary: Mapping[str, Any], name: str) -> float | None:
    """A loss of the tuned model less the base's; None where one is missing."""
    now, base = summary.get(name), summary.get(f"{name}_base")
    return now - base if is_number(now) and is_number(base) else None


def target_of(summary: Mapping[str, Any]) -> float | None:
    """The strength that was asked for; None of a run without one."""
    asked = summary.get("kl_beta")
    return asked if KLMode.of_summary(summary).has_target and is_number(asked) else None


def turned_up(summary: Mapping[str, Any]) -> float:
    """About the KL that an adapter can be turned up to where no dial was measured: as it was
    before it was scaled to its target. 0 where nothing says."""
    before, now = summary.get("kl_before_landing"), summary.get("kl_final")
    return max(before / _OTHER_HALF if is_number(before) else 0.0, now if is_number(now) else 0.0)


def landed_scale(summary: Mapping[str, Any]) -> float:
    """What the adapter was multiplied by at the end, to meet its target; 1 where it is as trained,
    and where nothing says. One that was taken over from another base remembers it of there."""
    origin = summary.get("taken_from")
    scale = (origin if isinstance(origin, dict) else summary).get("adapter_scale")
    return float(scale) if is_number(scale) and 0 < scale <= 1 else 1.0


def fell_short(summary: Mapping[str, Any]) -> bool:
    """Whether a run ended before its budget was used up: nothing had to be scaled down to it."""
    reached, asked = summary.get("kl_final"), target_of(summary)
    if asked is None or not is_number(reached):
        return False
    return reached < REACHED * asked and summary.get("adapter_scale", 1.0) == 1.0


def passed_target(summary: Mapping[str, Any]) -> bool:
    """Whether a run ended clearly stronger than was asked."""
    reached, asked = summary.get("kl_final"), target_of(summary)
    return asked is not None and is_number(reached) and reached > _PASSED * asked


def beside_target(summary: Mapping[str, Any]) -> float | None:
    """How many times its target a run ended at, where that is a tenth off or more though it had
    learnt as much; else None."""
    reached, asked = summary.get("kl_final"), target_of(summary)
    if not asked or not is_number(reached) or fell_short(summary):
        return None
    times = reached / asked
    return None if 1 / _PASSED <= times <= _PASSED else times


def style_judged(change: float | None) -> Judged:
    """Of the change in loss on chapters that weren't trained on."""
    if change is None:
        return _unknown()
    if change > _CLOSER:
        return Judged("bad", say("further from the novels", "离原著更远"))
    if change > -_CLOSER:
        return Judged("watch", say("no closer to the novels", "没有更像原著"))
    return Judged("good", say("closer to the novels", "更像原著"))


def general_judged(change: float | None) -> Judged:
    """Of the change in loss on text that has nothing to do with the novels."""
    if change is None:
        return _unknown()
    if change >= FORGOTTEN:
        return Judged("bad", say("clearly worse", "明显下降"))
    if change >= UNCHANGED:
        return Judged("watch", say("slightly worse", "略有下降"))
    if change > -UNCHANGED:
        return Judged("good", say("nearly unchanged", "几乎没变"))
    return Judged("good", say("slightly better", "略有提升"))


def _unknown() -> Judged:
    return Judged("unknown", say("not measured", "未测量"))
