"""The guide's strength bands: limits in nats per token, and names."""

from __future__ import annotations

from styledial.language import say

BANDS = {"light": (0.05, 0.08), "medium": (0.1, 0.15), "strong": (0.15, 0.2)}
# Each band by one value within it, for `dial --export light,medium,strong`.
NAMED = {"light": 0.065, "medium": 0.1, "strong": 0.175}
_NAMES = {"light": ("light", "轻度"), "medium": ("medium", "中等"), "strong": ("strong", "强")}
# A run lands within 0.5 % of its budget, so it may end a hair outside the band it was meant for.
_SLACK = 0.02


def band_name(name: str) -> str:
    """The band's name in the user's language."""
    return say(*_NAMES[name])


def in_words() -> tuple[str, str]:
    """All bands in a line: "0.05-0.08 light, ...", in English and Chinese."""
    spans = {name: f"{low:g}-{high:g}" for name, (low, high) in BANDS.items()}
    en = ", ".join(f"{span} {_NAMES[name][0]}" for name, span in spans.items())
    zh = "，".join(f"{span} {_NAMES[name][1]}" for name, span in spans.items())
    return en, zh


def named_bands() -> dict[str, tuple[float, float]]:
    """(lowest, highest) KL of each band, by its name in the user's language."""
    return {band_name(name): span for name, span in BANDS.items()}


def band_near(kl: float) -> str | None:
    """The band, as BANDS calls it, that `kl` is nearest to; None beyond their ends by a tenth.

    Landing is read on one half of the held-out text and reported on the other, so a run for 0.1
    may well read 0.094.
    """
    spans = list(BANDS.values())
    if not 0.9 * spans[0][0] <= kl <= 1.1 * spans[-1][1]:
        return None
    return min(BANDS, key=lambda name: max(BANDS[name][0] - kl, kl - BANDS[name][1], 0.0))


def strength_word(kl: float) -> str:
    """The strength of any KL in a word: a band's name, weaker than all, or stronger."""
    near = band_near(kl)
    if near:
        return band_name(near)
    weak = kl < BANDS["light"][0]
    return say("very light", "很弱") if weak else say("beyond strong", "过强")


def band_of(kl: float) -> str | None:
    """The name of the band that `kl` lies in; None between and beyond them."""
    for name, (low, high) in BANDS.items():
        if low * (1 - _SLACK) <= kl <= high * (1 + _SLACK):
            return band_name(name)
    return None
