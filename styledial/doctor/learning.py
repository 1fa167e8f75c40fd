"""Rules about the learning rate. Both follow one law: KL grows as (learning rate x updates)^2."""

from __future__ import annotations

import math
from collections.abc import Iterator

from styledial.doctor.budget import FEW_TIMES
from styledial.doctor.curve import times_more
from styledial.doctor.finding import Words, rule
from styledial.doctor.length import FEW_UPDATES
from styledial.doctor.record import Record

# What a run without a budget is to reach at least: the lowest of the guide's bands.
_LIGHT = 0.05
# The controller's own overshoot was 2.1 to 3.7 times a budget of 0.1 at a good learning rate
# (docs/experiments.md, the controller's gains); at 20 times that rate it was 36 times.
_PEAK = 8.0
# Nats per token that held-out text is less likely than under the base: training at a good rate
# makes it likelier. Losses of batches say nothing here, as one text is harder than another.
_WORSE = 0.5
# Of that law a step as far as this can be trusted.
_FARTHEST = 10.0


@rule("advice", "summary", "readings", "updates")
def learning_rate_too_low(run: Record) -> Iterator[tuple[Words, Words]]:
    """Many updates, and KL is still so far off that more epochs would be the wrong remedy."""
    wanted = run.budget or _LIGHT
    times = times_more(run.kl, wanted)
    if run.steps < FEW_UPDATES or times <= FEW_TIMES:
        return
    rate = run.config.training.learning_rate
    higher = _rounded(rate * min(times, _FARTHEST))
    yield (
        (
            f"After {run.steps} updates KL is {run.kl:.2g}, wanted {wanted:g}; style gained "
            f"{run.gain:.3f} nats per token. At this pace it takes {times:.0f} times the updates.",
            f"{run.steps} 步后 KL 为 {run.kl:.2g}，目标 {wanted:g}；风格改善 {run.gain:.3f} "
            f"nats/token。照此速度还需 {times:.0f} 倍的步数。",
        ),
        (
            f"Raise learning_rate: {rate:g} -> {higher:g} (1.5B to 14B models: 5e-5 to 1e-4; tiny "
            "ones about 2e-3).",
            f"调大 learning_rate：{rate:g} -> {higher:g}（1.5B 到 14B 模型为 5e-5 到 1e-4；"
            "极小模型约 2e-3）。",
        ),
    )


@rule("warning", "updates")
def learning_rate_too_high(run: Record) -> Iterator[tuple[Words, Words]]:
    """KL shot far past its aim, or held-out text became far less likely than under the base."""
    aim = max(run.budget or 0.1, 0.1)
    # Of the batches, and of held-out text where it was read: the larger, and when.
    kl, at = max(
        (line.get(key, 0.0), line["step"]) for line in run.lines for key in ("train/kl", "val/kl")
    )
    steps = [line["step"] for line in run.readings]
    gain, when = min(zip(run.gains, steps, strict=True), default=(0.0, 0))
    shot = run.budget is not None and kl > _PEAK * aim
    if not shot and gain > -_WORSE:
        return
    rate = run.config.training.learning_rate
    lower = _rounded(rate / min(max(math.sqrt(kl / (2 * aim)), 3.0), _FARTHEST))
    yield (
        (
            f"KL was {kl:.2f} at update {at} (aim {aim:g})."
            if shot
            else f"At update {when} held-out text was {-gain:.2f} nats per token less likely than "
            "under the base.",
            f"第 {at} 步的 KL 达到 {kl:.2f}（目标 {aim:g}）。"
            if shot
            else f"第 {when} 步时留出文本的损失比基座高 {-gain:.2f} nats/token。",
        ),
        (
            f"Lower learning_rate: {rate:g} -> {lower:g}, and keep a warm-up (warmup_ratio 0.05).",
            f"调小 learning_rate：{rate:g} -> {lower:g}，并保留预热（warmup_ratio 0.05）。",
        ),
    )


def _rounded(rate: float) -> float:
    """To one digit, as people write learning rates."""
    return float(f"{rate:.0e}")
