"""How much stronger than allowed a run is, and settings that make a weaker one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from styledial.config.kl_mode import AUTO, KLMode
from styledial.config.setting import OFF
from styledial.doctor.change import Change, differing
from styledial.doctor.curve import MEDIUM, weaker
from styledial.doctor.record import Record
from styledial.language import typed
from styledial.run_folder.metrics import is_number

# An adapter is scaled to its budget on half of the held-out text and measured on the other; the
# halves differ by a few per cent, on a page of text by twenty. All weights can't be scaled.
_OVER_ADAPTER, _OVER_WHOLE = 1.3, 1.1


def overshoot(summary: Mapping[str, Any], *, adapter: bool) -> float | None:
    """How many times its budget the finished model's KL is, where that is too much; else None.

    None also for a run without a budget, and where a figure is missing.
    """
    budget, kl = summary.get("kl_beta"), summary.get("kl_final")
    if not (is_number(budget) and is_number(kl) and budget > 0):
        return None
    if not KLMode.of_summary(summary).has_target:
        return None
    times = float(kl) / float(budget)
    return times if times > (_OVER_ADAPTER if adapter else _OVER_WHOLE) else None


def passed(run: Record) -> float | None:
    """The same of a run's record."""
    training = run.config.training
    summary = {
        "kl_mode": training.kl_mode,
        "kl_beta": training.kl_beta,
        "kl_final": run.kl_now,
    }
    return overshoot(summary, adapter=run.config.model.use_peft)


# An adapter is scaled to its budget at the end; a model whose weights were all tuned can't be.
AS_ADAPTER: Change = {"model.use_peft": True}


def is_scaled(run: Record) -> bool:
    """Whether kl_beta says only how far the adapter is scaled at the end: training again with
    another one would make the same adapter, so that its strength is the dial's alone."""
    return run.config.model.use_peft and run.config.training.mode is KLMode.ANCHOR


def turned_down(run: Record) -> str:
    """The command that writes the next weaker adapter without training."""
    lower = min(weaker(run), run.config.training.kl_target or MEDIUM)
    return f"`styledial dial {typed(run.folder)} --export {lower:g}`"


def lower_strength(run: Record) -> Change:
    """Settings of a run that is held closer to the base than this one; {} where the dial alone
    makes it weaker."""
    if is_scaled(run):
        return {}
    if not run.config.model.use_peft and passed(run):
        return AS_ADAPTER
    training, lower = run.config.training, weaker(run)
    if training.mode.has_target:
        return {"training.kl_beta": lower}
    if training.mode is KLMode.PENALTY and not run.config.model.use_peft and training.kl_beta > 0:
        return {"training.kl_beta": 2 * training.kl_beta}  # the coefficient; nothing is scaled
    mode = KLMode.of_setting(
        AUTO, adapter=run.config.model.use_peft, anchor=run.config.data.anchor != OFF
    )
    return differing(run, {"training.kl_mode": mode.value, "training.kl_beta": min(lower, MEDIUM)})
