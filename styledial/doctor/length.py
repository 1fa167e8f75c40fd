"""Advice on how long to train, in the setting that the run went by."""

from __future__ import annotations

import math

from styledial.doctor.change import Change
from styledial.doctor.record import Record

# Adam's averages need some tens of updates (1 / (1 - 0.9) for the mean, far more for the square):
# before that a small KL says nothing about the learning rate. The controller takes as long: it
# passes the budget first and falls below it then. Ended at update 20 and 30 a run was at 0.93 and
# 0.84 of its budget, at 40 to 150 on it.
FEW_UPDATES = 50
_MOST = 4.0  # times as long, where that is more than a few hundred updates
STEPS, EPOCHS = "training.max_steps", "training.num_train_epochs"


def longer(run: Record, times: float) -> Change:
    """`times` as long or a little more, at least the guide's 3 -> 5; where there is a controller,
    long enough for it to settle.

    A run of a few updates may have to be many times as long to come anywhere.
    """
    controlled = run.config.training.mode.has_controller
    settled = FEW_UPDATES / max(run.steps, 1) if controlled else 0.0
    most = max(_MOST, _MOST * FEW_UPDATES / max(run.steps, 1))
    factor = min(max(times * 1.1, 5 / 3, settled), most)
    training = run.config.training
    if training.max_steps > 0:
        return {STEPS: math.ceil(run.steps * factor)}
    return {EPOCHS: math.ceil(training.num_train_epochs * factor)}


def shorter(run: Record, epochs: float) -> Change:
    """About `epochs` of those that were made: fewer epochs, or updates where less than one is
    meant or the run was counted in updates. {} where there is nothing shorter."""
    training, whole = run.config.training, round(epochs)
    if training.max_steps <= 0 and 1 <= whole < training.num_train_epochs:
        return {EPOCHS: whole}
    if run.epochs <= 0:
        return {}
    wanted = max(int(run.steps * epochs / run.epochs), 1)
    return {STEPS: wanted} if wanted < run.steps else {}
