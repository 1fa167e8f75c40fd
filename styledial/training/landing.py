"""Landing: after training, scale the adapter so that held-out KL is the budget.

With `kl_mode: budget` training holds the KL of its own batches there, and on unseen text ends
some way off; with `anchor` nothing holds KL on the novels, and it may end far beyond.
LoRA's update is linear in its scale, and KL(scale) grows monotonically near 1 (about as its
square), so the scale that meets the budget is found by a bracketed secant search.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from styledial.language import say
from styledial.models.adapter import scale_adapter, scaled
from styledial.models.policy import Policy
from styledial.progress import stage


def find_scale(
    kl_at: Callable[[float], float],
    budget: float,
    *,
    highest: float = 1.0,
    tolerance: float = 0.005,
    most_tries: int = 12,
) -> tuple[float, float]:
    """(scale, KL there) with KL within `tolerance` (relative) of `budget`, scale <= `highest`.

    `kl_at(scale)` measures KL in nats per token; each call costs a reading of the text. Where
    even `highest` doesn't reach the budget, `highest` is returned with its KL: an adapter is
    never scaled beyond what was trained. A KL that isn't finite counts as above the budget.
    """
    low, high = 0.0, highest
    kl_high = kl_at(high)
    if kl_high <= budget * (1 + tolerance):
        return high, kl_high
    scale, kl = high, kl_high
    # Power law through the last point; the exponent is learnt from the last two points.
    exponent = 2.0
    for _ in range(most_tries):
        guess = scale * (budget / kl) ** (1 / exponent) if math.isfinite(kl) else low
        if not low < guess < high:
            guess = (low + high) / 2
        kl_guess = kl_at(guess)
        comparable = math.isfinite(kl) and math.isfinite(kl_guess) and kl_guess > 0
        if comparable and guess != scale and kl_guess != kl:
            exponent = min(max(math.log(kl_guess / kl) / math.log(guess / scale), 0.5), 8.0)
        scale, kl = guess, max(kl_guess, 1e-12)
        if abs(kl / budget - 1) <= tolerance:
            break
        low, high = (scale, high) if kl < budget else (low, scale)
    return scale, kl


def land(policy: Policy, read_kl: Callable[[], float], budget: float) -> dict[str, float]:
    """Scale `policy`'s adapter so that `read_kl()` gives `budget`; returns what was done.

    The scale goes into the adapter's own weights.
    """
    readings = 0

    def read() -> float:
        nonlocal readings
        readings += 1
        words = say(
            f"calibrating the strength, reading {readings}", f"校准强度，第 {readings} 次读取"
        )
        with stage(words):
            return read_kl()

    reached = read()
    scale = 1.0
    if not reached <= budget:  # also for NaN

        def kl_at(wanted: float) -> float:
            if wanted == 1.0:  # read a moment ago
                return reached
            with scaled(policy, wanted):
                return read()

        scale, _ = find_scale(kl_at, budget)
        scale_adapter(policy, scale)
    return {"kl_before_landing": reached, "adapter_scale": scale}
