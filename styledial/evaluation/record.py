"""The result of an evaluation: evaluation.json, and what the user should know of it.

    evaluation.json   {"metrics":  {"kl": {"value": 0.1, "ci": [0.09, 0.11], "base": 0.0,
                                           "unit": "nats per token"}, ...},
                       "settings": {"effort": "quick", "data_dir": ..., ...},
                       "warnings": [{"en": ..., "zh": ...}]}

A metric has `books` where real passages of the books have a value too, and `against` where a
second adapter was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from styledial.evaluation.alarms import FROM_TRAINING, PROBE, raised, usual
from styledial.evaluation.result import Result
from styledial.evaluation.writing import Passages
from styledial.run_folder.claims import writing
from styledial.run_folder.layout import EVALUATION as FILE


@dataclass(frozen=True)
class Evaluation:
    """The metrics in the order in which they were measured, and how that was done."""

    metrics: dict[str, Result]
    settings: dict[str, Any] = field(default_factory=dict)
    against: dict[str, Result] = field(default_factory=dict)
    passages: Passages | None = None

    def beside(self, other: Evaluation) -> Evaluation:
        """This one, with the other's figures for comparison."""
        return replace(self, against=other.metrics)

    def as_json(self) -> dict[str, Any]:
        """The content of evaluation.json."""
        metrics = {name: result.as_json() for name, result in self.metrics.items()}
        for name, result in self.against.items():
            metrics[name]["against"] = {"value": result.value, "ci": list(result.ci)}
        said = [{"en": en, "zh": zh} for en, zh in warnings(self)]
        return {"metrics": metrics, "settings": self.settings, "warnings": said}


def warnings(found: Evaluation) -> list[tuple[str, str]]:
    """What the user should know before passing the adapter on, in both languages."""
    changed = found.settings.get("changed_novels")
    said = [other_text(changed)] if changed else []
    copied = raised(found.metrics.values(), *FROM_TRAINING)
    if copied:
        said.append(
            (
                f"{_listed(copied)[0]}: the model reproduces passages of the training books "
                "word for word. They may be under copyright: lower the strength, or train for "
                "fewer epochs, before you share it.",
                f"{_listed(copied)[1]}：模型会逐字复述训练用书。"
                "这些书可能受版权保护；分享给他人之前，请调低强度或减少训练轮数。",
            )
        )
    unlocked = raised(found.metrics.values(), PROBE)
    if unlocked:
        said.append(
            (
                f"{_listed(unlocked)[0]}: training made the model recite books that it was not "
                "trained on here. Lower the strength, or train for fewer epochs, before you share "
                "it.",
                f"{_listed(unlocked)[1]}：训练让模型更会逐字复述没有参与这次训练的书。"
                "分享给他人之前，请调低强度或减少训练轮数。",
            )
        )
    return said


def _listed(rates: Sequence[Result]) -> tuple[str, str]:
    en = [f"{each.name} is {each.value:.0%} (baseline {usual(each):.0%})" for each in rates]
    zh = [f"{each.name} 为 {each.value:.0%}（基线 {usual(each):.0%}）" for each in rates]
    return ", ".join(en), "，".join(zh)


def other_text(changed: Sequence[str]) -> tuple[str, str]:
    """That what is held out now may have been trained on; `changed` names the files."""
    named = ", ".join(changed[:3]) + (" ..." if len(changed) > 3 else "")
    return (
        f"The novels have changed since training ({named}): the text held out now may have been "
        "trained on, so the figures may look better than they should.",
        f"小说与训练时不同（{named}）：现在留出的文本可能训练过，结果可能偏乐观。",
    )


def save_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write evaluation.json into a run's folder. Raises UserError where it is not writable."""
    with writing(folder) as run:
        run.write_json(FILE, evaluation.as_json())
