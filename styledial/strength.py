"""The guide's bands of strength: their limits in nats per token and their names, once."""

from __future__ import annotations

from styledial.language import say

BANDS = {"light": (0.05, 0.08), "medium": (0.1, 0.15), "strong": (0.15, 0.2)}
# Each band by one value within it, for `dial --export light,medium,strong`.
NAMED = {"light": 0.065, "medium": 0.1, "strong": 0.175}
_NAMES = {"light": ("light", "轻度"), "medium": ("medium", "中等"), "strong": ("strong", "强")}
# A run lands within 0.5 % of its budget, so it may end a hair outside the band it was meant for.
_SLACK = 0.02


def band_name(name: str) -> str:
    return say(*_NAMES[name])


def in_words() -> tuple[str, str]:
    """All bands in a line: "0.05-0.08 light, ...", in English and Chinese."""
    spans = {name: f"{low:g}-{high:g}" for name, (low, high) in BANDS.items()}
    en = ", ".join(f"{span} {_NAMES[name][0]}" for name, span in spans.items())
    zh = "，".join(f"{span} {_NAMES[name][1]}" for name, span in spans.items())
    return en, zh


def named_bands() -> dict[str, tuple[float, float]]:
    return {band_name(name): span for name, span in BANDS.items()}


def band_near(kl: float) -> str | None:
    """The band, as BANDS calls it, that `kl` lies in or within a tenth of: landing is read on one
    half of the held-out text and reported on the other."""
    for name, (low, high) in BANDS.items():
        if 0.9 * low <= kl <= 1.1 * high:
            return name
    return None


def band_of(kl: float) -> str | None:
    """The name of the band that `kl` lies in; None between and beyond them."""
    for name, (low, high) in BANDS.items():
        if low * (1 - _SLACK) <= kl <= high * (1 + _SLACK):
            return band_name(name)
    return None
