"""A world in which runs follow simple laws, so that advice can be carried out in a millisecond.

    KL      grows as (learning rate x updates)^2, levels off at what text and rank give, and stops
            at the budget; all weights overshoot it the more, the higher the rate
    style   grows with KL, and falls again where a text is read too often
    loss    of general text grows with KL, less with an anchor

The laws are those of docs/doctor.md and docs/experiments.md in their shape; only directions matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from styledial.config import Config, resolve
from styledial.doctor.record import Record

_READINGS, _ROWS_AN_UPDATE = 12, 8


def settings_as_text(settings: Mapping[str, Any]) -> list[str]:
    """As they are typed."""
    return [f"{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in settings.items()]


def train(settings: Mapping[str, Any], tokens: int, folder: Path = Path("run")) -> Record:
    """The record of a run with these settings on so many tokens."""
    config = resolve(assignments=settings_as_text(settings))
    rows = tokens / config.data.max_length
    steps = _steps(config, rows)
    rate = config.training.learning_rate
    kls = [_kl(config, tokens, rate * steps * i / _READINGS) for i in range(1, _READINGS + 1)]
    epochs = [steps * i / _READINGS * _ROWS_AN_UPDATE / rows for i in range(1, _READINGS + 1)]
    gains = [_gain(kl, epoch, rate) for kl, epoch in zip(kls, epochs, strict=True)]
    peak = max(kls) * max(rate / 1e-3, 1)
    lines: list[dict[str, float]] = []
    for number, (kl, epoch, gain) in enumerate(zip(kls, epochs, gains, strict=True), 1):
        step = max(steps * number // _READINGS, 1)
        lines.append(
            {"step": step, "epoch": epoch, "train/nll": 4.0, "train/kl": peak}
            | {"train/learning_rate": rate, "val/nll": 5.0 - gain, "val/nll_base": 5.0}
            | {"val/kl": kl, **_seconds(config, steps, epoch)}
        )
    summary, evaluation = _summary(config, kls[-1], gains[-1], epochs[-1], tokens)
    counts = {"train": tokens, "heldout": tokens // 10}
    return Record(folder, config, lines, summary, evaluation, counts, [])


def _steps(config: Config, rows: float) -> int:
    if config.training.max_steps > 0:
        return config.training.max_steps
    return max(1, round(config.training.num_train_epochs * rows / _ROWS_AN_UPDATE))


def _kl(config: Config, tokens: int, way: float) -> float:
    training, model = config.training, config.model
    ends = 0.5 * (model.lora_r / 8 if model.use_peft else 4) ** 0.3 * min(tokens / 1e5, 1) ** 0.2
    free = _at_most(0.3 * (way / 0.03) ** 2, ends)
    if not training.mode.reads_kl:
        return free
    if training.kl_target is None:
        return free / (1 + training.kl_beta)
    aim = training.kl_target * (2 + math.sqrt(training.learning_rate / 1e-4))
    return min(free, training.kl_target) if model.use_peft else _at_most(free, aim)


def _at_most(value: float, end: float) -> float:
    """Nearly `value` where it is small, nearly `end` where it is large, always between them."""
    return value * end / (value + end)


def _gain(kl: float, epochs: float, rate: float) -> float:
    return 0.4 * kl**0.3 - 0.004 * max(epochs - 2, 0) * kl**0.5 - max(rate - 3e-3, 0) * 200


def _seconds(config: Config, steps: int, epoch: float) -> dict[str, float]:
    every = min(config.training.save_steps, steps)
    again = config.training.reference_cache == "off" or epoch <= 1
    reference, checkpoint = 0.3 if again else 0.0, 0.8 / every
    whole = 1.0 + reference + checkpoint
    return {
        "time/seconds": whole,
        "time/forward": 1 / whole,
        "time/reference": reference / whole,
        "time/checkpoint": checkpoint / whole,
    }


def _summary(
    config: Config, kl: float, gain: float, epochs: float, tokens: int
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    training, data, model = config.training, config.data, config.model
    now = min(kl, training.kl_target or kl) if model.use_peft else kl
    anchored = data.anchor != "off" and training.mode.has_anchor
    lost = now * (0.005 / max(data.anchor_ratio, 0.01) if anchored else 1.0)
    recited = _at_most(now * max(epochs - 3, 0) * 1e4 / tokens, 0.5)
    used = 30 * (0.4 if training.gradient_checkpointing else 0.6)
    used *= 1 if training.per_device_train_batch_size != 1 else 0.5
    summary = {
        "kl_before_landing": kl, "kl_final": now, "style_nll_base": 5.0, "style_nll": 5.0 - gain,
        "general_nll_base": 4.0, "general_nll": 4.0 + lost, "memory_bytes": 30 * 2**30,
        "peak_memory_bytes": used * 2**30, "trainable_parameters": 1_000_000 * model.lora_r,
        "reference_rows_saved": 0 if training.reference_cache == "off" else 1,
    }  # fmt: skip
    strange = 40 * math.exp(0.7 * now)
    evaluation = {
        "extraction_rate_32": {"value": recited, "base": 0.0},
        "base_perplexity": {"value": strange, "base": 20.0, "books": 40.0},
        "distinct_2": {"value": 0.9 - 0.3 * now, "base": 0.9, "books": 0.9},
    }
    return summary, evaluation
