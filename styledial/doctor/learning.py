"""Rules about the learning rate. Both follow one law: KL grows as (learning rate x updates)^2."""

from __future__ import annotations

import math
from collections.abc import Iterator

from styledial.config.kl_mode import KLMode
from styledial.doctor.budget import FEW_TIMES, FLAT
from styledial.doctor.change import in_words
from styledial.doctor.curve import still_rising, times_more
from styledial.doctor.finding import Found, rule
from styledial.doctor.length import FEW_UPDATES
from styledial.doctor.record import Record
from styledial.units import strength as figure

# What a run without a budget is to reach at least: the lowest of the guide's bands.
_LIGHT = 0.05
# The controller's own overshoot was 2.1 to 3.7 times a budget of 0.1 at a good learning rate
# (docs/experiments.md, the controller's gains); at 20 times that rate it was 36 times.
_PEAK, _SMALLEST_AIM = 8.0, 0.1
# Nats per token that held-out text is less likely than under the base: training at a good rate
# makes it likelier. Losses of batches say nothing here, as one text is harder than another.
_WORSE = 0.5
# Of that law a step as far as this can be trusted.
_FARTHEST = 10.0
_RATE = "training.learning_rate"


@rule("advice", "summary", "readings", "updates", moves="stronger")
def learning_rate_too_low(run: Record) -> Iterator[Found]:
    """Many updates, and KL is still so far off that more epochs would be the wrong remedy."""
    if run.config.training.mode is KLMode.PENALTY:
        return  # there the fixed coefficient keeps KL small
    times, rising = times_more(run.kl, run.budget or _LIGHT), still_rising(run)
    learnt_all = rising is not None and rising < FLAT  # style_saturated
    if run.steps < FEW_UPDATES or times <= FEW_TIMES or learnt_all:
        return
    aim = (
        (f"the budget {run.budget:g}", f"预算 {run.budget:g}")
        if run.budget is not None
        else (f"the guide's weakest strength {_LIGHT:g}", f"指南最弱一档 {_LIGHT:g}")
    )
    change = {_RATE: _rounded(run.config.training.learning_rate * min(times, _FARTHEST))}
    words = in_words(run, change)
    yield Found(
        (
            f"After {run.steps} updates KL is {figure(run.kl_now)}, {aim[0]}; style gained "
            f"{run.gain:.3f} nats per token. KL grows as the square of the updates, so that takes "
            f"about {times:.0f} times as many.",
            f"{run.steps} 步后 KL 为 {figure(run.kl_now)}，{aim[1]}；风格改善 {run.gain:.3f} "
            f"nats/token。KL 按步数的平方增长，约需 {times:.0f} 倍的步数。",
        ),
        (
            f"Raise the learning rate: {words} (1.5B to 14B models: 5e-5 to 1e-4; tiny ones about "
            "2e-3).",
            f"调大 learning_rate：{words}（1.5B 到 14B 模型为 5e-5 到 1e-4；极小模型约 2e-3）。",
        ),
        change,
    )


@rule("warning", "updates", moves="weaker")
def learning_rate_too_high(run: Record) -> Iterator[Found]:
    """KL shot far past its aim, or held-out text became far less likely than under the base."""
    aim = max(run.budget or 0.0, _SMALLEST_AIM)
    # Of the batches, and of held-out text where it was read: the larger, and when.
    kl, at = max(
        (line.get(key, 0.0), line["step"]) for line in run.lines for key in ("train/kl", "val/kl")
    )
    steps = [line["step"] for line in run.readings]
    gain, when = min(zip(run.gains, steps, strict=True), default=(0.0, 0))
    # Where no controller holds it, KL on the novels may go as far as it likes.
    shot = run.config.training.mode.has_controller and kl > _PEAK * aim
    if not shot and gain > -_WORSE:
        return
    times = min(max(math.sqrt(kl / (2 * aim)), 3.0), _FARTHEST)
    change = {_RATE: _rounded(run.config.training.learning_rate / times)}
    if run.config.training.warmup_ratio <= 0:
        change["training.warmup_ratio"] = 0.05
    words = in_words(run, change)
    yield Found(
        (
            f"KL was {kl:.2f} at update {at}, the budget {run.budget:g}."
            if shot
            else f"At update {when} held-out text was {-gain:.2f} nats per token less likely than "
            "under the base.",
            f"第 {at} 步的 KL 达到 {kl:.2f}，预算 {run.budget:g}。"
            if shot
            else f"第 {when} 步时留出文本的损失比基座高 {-gain:.2f} nats/token。",
        ),
        (f"Lower the learning rate: {words}.", f"调小 learning_rate：{words}。"),
        change,
    )


def _rounded(rate: float) -> float:
    """To one digit, as people write learning rates."""
    return float(f"{rate:.0e}")
