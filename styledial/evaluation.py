"""Everything that is measured of a tuned model, and evaluation.json.

    evaluation.json   {"metrics":  {"kl": {"value": 0.1, "ci": [0.09, 0.11], "base": 0.0,
                                           "unit": "nats per token"}, ...},
                       "settings": {"effort": "quick", "text": ..., ...}}

What each metric says and doesn't: docs/evaluation.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from styledial import build
from styledial.config import OFF, Config
from styledial.errors import AdapterError
from styledial.evaluators.distance import GeneralText, StyleText, halves, read_rows
from styledial.evaluators.result import CONFIDENCE, RESAMPLES, SEED, Evaluator, Result
from styledial.files import write_json
from styledial.models.policy import Policy
from styledial.words import say

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FILE = "evaluation.json"
# Hears what is being measured: a sentence, how much is done, and of how much.
Tick = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """The metrics in the order in which they were measured, and how that was done."""

    metrics: dict[str, Result]
    settings: dict[str, Any] = field(default_factory=dict)
    against: dict[str, Result] = field(default_factory=dict)

    def beside(self, other: Evaluation) -> Evaluation:
        """This one, with the other's figures for comparison."""
        return replace(self, against=other.metrics)

    def as_json(self) -> dict[str, Any]:
        metrics = {name: result.as_json() for name, result in self.metrics.items()}
        for name, result in self.against.items():
            metrics[name]["against"] = {"value": result.value, "ci": list(result.ci)}
        return {"metrics": metrics, "settings": self.settings}


def evaluate(
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    texts: build.Texts,
    reading: Mapping[str, Any],
    *,
    style_sums: np.ndarray | None = None,
    general_sums: np.ndarray | None = None,
    tick: Tick = lambda *_: None,
) -> Evaluation:
    """Measure `policy` on held-out and general text.

    `reading` holds what read_rows needs (batch_size, device, direction). Sums that the caller
    has already read are not read again. KL and style NLL are on the rows that landing didn't
    use, as kl_final is.
    """
    rows = halves(texts.heldout)[1]

    def style() -> np.ndarray:
        if style_sums is not None:
            return style_sums
        return read_rows(policy, texts.heldout, only=rows, **reading)

    def general() -> np.ndarray:
        return (
            general_sums if general_sums is not None
            else read_rows(policy, texts.general, **reading)
        )  # fmt: skip

    evaluators: list[tuple[str, Evaluator]] = [
        (say("style text", "风格文本"), StyleText(style)),
        (say("general text", "通用文本"), GeneralText(general)),
    ]
    metrics: dict[str, Result] = {}
    for done, (words, evaluator) in enumerate(evaluators):
        tick(words, done, len(evaluators))
        metrics.update((result.name, result) for result in evaluator.run())
    tick("", len(evaluators), len(evaluators))
    settings = {
        "confidence": CONFIDENCE, "resamples": RESAMPLES, "resampling_seed": SEED,
        "kl_direction": reading["direction"],
    }  # fmt: skip
    return Evaluation(metrics, settings)


def evaluate_at_end(
    config: Config, policy: Policy, tokenizer: PreTrainedTokenizerBase, texts: build.Texts,
    reading: Mapping[str, Any], style_sums: np.ndarray, general_sums: np.ndarray,
    note: Callable[[str, str], None],
) -> Evaluation | None:  # fmt: skip
    """A run's own evaluation, written to its folder; None where it is off or didn't work.

    The run is finished and saved by then: whatever goes wrong here, Ctrl-C included, is said in
    a sentence and no more.
    """
    if config.training.evaluate_at_end == OFF:
        return None
    try:
        found = evaluate(
            policy, tokenizer, texts, reading, style_sums=style_sums, general_sums=general_sums
        )
        found.settings.update(kl_beta=None, scale=1.0, against="base",
                              data_dir=config.data.data_dir)  # fmt: skip
        save_evaluation(Path(config.training.output_dir).expanduser(), found)
        return found
    except (Exception, KeyboardInterrupt) as error:
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        note(
            f"The run is complete, but it could not be evaluated ({reason}). Later: `styledial "
            f"evaluate {config.training.output_dir}`.",
            f"训练已完成，但未能度量（{reason}）。以后可运行 `styledial evaluate "
            f"{config.training.output_dir}`。",
        )
        return None


def save_evaluation(folder: Path, evaluation: Evaluation) -> None:
    write_json(folder / FILE, evaluation.as_json())


def load_evaluation(folder: Path) -> Evaluation | None:
    """What evaluation.json holds; None where there is none. Raises AdapterError if damaged."""
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        metrics = {
            name: Result(name, found["value"], tuple(found["ci"]), found["unit"], found["base"])
            for name, found in content["metrics"].items()
        }
        return Evaluation(metrics, content["settings"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AdapterError(
            f"{path}: cannot be read; write it again with `styledial evaluate {folder}`.",
            f"{path}：无法读取；请用 `styledial evaluate {folder}` 重新生成。",
        ) from None
