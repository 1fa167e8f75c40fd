"""Advice on how long to train, in the setting that the run went by."""

from __future__ import annotations

import math

from styledial.doctor.finding import Words
from styledial.doctor.record import Record

# Adam's averages need some tens of updates (1 / (1 - 0.9) for the mean, far more for the square):
# before that a small KL says nothing about the learning rate.
FEW_UPDATES = 50
_MOST = 4.0  # times as long, where that is more than a few hundred updates


def longer(run: Record, times: float) -> Words:
    """`times` as long or a little more, at least the guide's 3 -> 5.

    A run of a few updates may have to be many times as long to come anywhere.
    """
    most = max(_MOST, _MOST * FEW_UPDATES / max(run.steps, 1))
    factor = min(max(times * 1.1, 5 / 3), most)
    training = run.config.training
    if training.max_steps > 0:
        return _max_steps(run, math.ceil(run.steps * factor))
    now = training.num_train_epochs
    return (f"num_train_epochs {now:g} -> {math.ceil(now * factor)}",) * 2


def shorter(run: Record, epochs: float) -> Words:
    """About `epochs` of those that were made: fewer epochs, or updates where less than one is
    meant or the run was counted in updates."""
    training = run.config.training
    wanted = round(epochs)
    if training.max_steps > 0 or not 1 <= wanted < training.num_train_epochs:
        return _max_steps(run, max(int(run.steps * epochs / max(run.epochs, 1e-9)), 1))
    return (f"num_train_epochs {training.num_train_epochs:g} -> {wanted}",) * 2


def _max_steps(run: Record, wanted: int) -> Words:
    now = run.config.training.max_steps
    return (f"max_steps {now if now > 0 else run.steps} -> {wanted}",) * 2
