"""The controller that holds KL at its budget by moving lambda, the weight of KL in the loss.

A PID controller on log lambda with the logarithm of the KL ratio as its error:

    e        = clip(log(KL / aim), -2, 2)
    smooth   = smooth + 0.5 (e - smooth)
    integral = clip(integral + ki max(e, -0.3), floor, ceiling)
    lambda   = exp(integral + kp e + kd (change of smooth))

Its ancestor is the adaptive coefficient of Ziegler et al. 2019 (arXiv 1909.08593, section 2.2),
which is the integral term alone; alone it swings (0.014 to 0.25 for a budget of 0.05 in a
trial), because KL answers lambda only after many updates. The proportional term damps it, the
derivative term anticipates its change (without it KL swung by a factor of three in short runs and
ended where the swing stood, down to 0.4 of the budget; docs/experiments.md), and the integral falls
slowly: at the start KL is far below the budget through no fault of lambda, and an integral that
took this at face value would then let KL run past the budget.

The budget is a distance on unseen text, and KL there may be half or twice that of the training
batches, depending on the model and the amount of text. So now and then the run reads a little
held-out text (`calibrate`), and what is held is not KL = budget but KL = aim, moved so that the
held-out KL ends a few per cent above the budget, from where landing.py comes down to it.

Where KL is read on a share p of the rows, a reading's variance is 1 / p of that of all rows. A mean
over updates that forgets at a rate a has a / (2 - a) of it; a = 2p / (1 + p) makes the two cancel,
so that lambda sees no more noise than it does with all rows, about 1 / p updates late.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_ERROR_LIMIT = 2.0
_SLOWEST_FALL = -0.3
_SMOOTHING = 0.5  # of the error whose change counts: that of one batch's KL is mostly noise
# calibrate: where held-out KL should be, how much of the way to go, how far the aim may move.
_ABOVE, _TRUST, _FARTHEST = 1.06, 0.7, 3.0
_UNREAD = -1.0  # for a KL


class KLController:
    """Lambda for a KL budget; everything stays on `device`, nothing waits for it.

    Args:
        budget: nats per token.
        share: of each update's rows that its KL is read on.
        kp, ki, kd: gains on the log error, its sum and its change per update.
        floor, ceiling: bounds of lambda's integral part; at the floor KL has practically no
            weight, which is where lambda goes if the style saturates below the budget.
    """

    def __init__(
        self,
        budget: float,
        *,
        share: float = 1.0,
        kp: float = 1.0,
        ki: float = 0.1,
        kd: float = 4.0,
        floor: float = 1e-3,
        ceiling: float = 1e3,
        device: torch.device | str = "cpu",
    ) -> None:
        self.budget, self.kp, self.ki, self.kd = budget, kp, ki, kd
        self.low, self.high = math.log(floor), math.log(ceiling)
        self._rate = 2 * share / (1 + share)
        self._kl = torch.full((), _UNREAD, device=device)
        self._aim = torch.full((), budget, device=device)
        self._integral = torch.zeros((), device=device)
        # Before the first update KL is 0 and the error at its lower limit.
        self._smooth = torch.full((), -_ERROR_LIMIT, device=device)
        self._log_lambda = torch.full((), -kp * _ERROR_LIMIT, device=device)

    @property
    def coefficient(self) -> Tensor:
        """Lambda, a scalar tensor on the device."""
        return self._log_lambda.exp()

    @torch.no_grad()
    def update(self, kl: Tensor, valid: Tensor | None = None) -> None:
        """Take the mean KL (nats per token, scalar) of the last update. No device sync.

        Where not `valid` (bool scalar: the update had a non-finite loss or gradient, and wasn't
        made) there is nothing to learn, and the error counts as 0; None asks whether `kl` is
        finite.
        """
        valid = torch.isfinite(kl) if valid is None else valid
        mean = torch.where(self._kl < 0, kl.float(), self._kl.lerp(kl.float(), self._rate))
        self._kl.copy_(torch.where(valid, mean, self._kl))
        error = (self._kl / self._aim).clamp_min(1e-12).log().clamp(-_ERROR_LIMIT, _ERROR_LIMIT)
        error = torch.where(valid, error, 0.0)
        self._integral.add_(self.ki * error.clamp_min(_SLOWEST_FALL)).clamp_(self.low, self.high)
        change = _SMOOTHING * (error - self._smooth)
        self._smooth.add_(change)
        self._log_lambda.copy_(self._integral + self.kp * error + self.kd * change)

    def calibrate(self, heldout_kl: float) -> None:
        """Move the aim by what held-out text says, a large part of the way at a time."""
        if not math.isfinite(heldout_kl):
            return
        ratio = _ABOVE * self.budget / max(heldout_kl, 1e-12)
        aim = self._aim.item() * ratio**_TRUST
        self._aim.fill_(min(max(aim, self.budget / _FARTHEST), self.budget * _FARTHEST))

    def state_dict(self) -> dict[str, float]:
        """Aim, integral, log lambda, mean KL and smoothed error; waits for the device."""
        return {
            "aim": self._aim.item(),
            "integral": self._integral.item(),
            "log_lambda": self._log_lambda.item(),
            "kl": self._kl.item(),
            "smooth": self._smooth.item(),
        }

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Continue from what `state_dict` gave."""
        self._aim.fill_(state["aim"])
        self._integral.fill_(state["integral"])
        self._log_lambda.fill_(state["log_lambda"])
        # Absent in checkpoints of earlier versions:
        self._kl.fill_(state.get("kl", _UNREAD))
        self._smooth.fill_(state.get("smooth", 0.0))


class FixedCoefficient:
    """Lambda that stays: kl_beta for `kl_mode: penalty`, 0 for `anchor` and `off`."""

    def __init__(self, value: float, *, device: torch.device | str = "cpu") -> None:
        self._value = torch.tensor(float(value), device=device)

    @property
    def coefficient(self) -> Tensor:
        """Lambda, a scalar tensor on the device."""
        return self._value

    def update(self, kl: Tensor, valid: Tensor | None = None) -> None:
        """Nothing to learn from `kl`: the coefficient is the user's."""

    def calibrate(self, heldout_kl: float) -> None:
        """Nothing to move."""

    def state_dict(self) -> dict[str, float]:
        """Empty: nothing changes."""
        return {}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """A fixed coefficient has no state."""
