"""The guide's bands of strength, by the names that a reader sees."""

from __future__ import annotations

from styledial.dial import BANDS
from styledial.language import say

# A run lands within 0.5 % of its budget, so it may end a hair outside the band it was meant for.
_SLACK = 0.02


def band_name(name: str) -> str:
    return {"light": say("light", "轻度"), "medium": say("medium", "中等"),
            "strong": say("strong", "强")}[name]  # fmt: skip


def named_bands() -> dict[str, tuple[float, float]]:
    return {band_name(name): span for name, span in BANDS.items()}


def band_of(kl: float) -> str | None:
    """The name of the band that `kl` lies in; None between and beyond them."""
    for name, (low, high) in BANDS.items():
        if low * (1 - _SLACK) <= kl <= high * (1 + _SLACK):
            return band_name(name)
    return None
