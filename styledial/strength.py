"""Strength by name: the guide's bands, their limits in nats per token, what users call them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from styledial.errors import UserError
from styledial.keyboard import numeral
from styledial.language import say
from styledial.units import strength as figure

BANDS = {"light": (0.05, 0.08), "medium": (0.1, 0.15), "strong": (0.15, 0.2)}
# Each band by one value within it, for `--strength light`.
NAMED = {"light": 0.065, "medium": 0.1, "strong": 0.175}
MAX = "max"  # as far as an adapter goes; of a training, the upper end of the bands
_NAMES = {"light": ("light", "轻微"), "medium": ("medium", "中等"), "strong": ("strong", "强烈")}
_ALSO = {
    "轻微": "light", "轻度": "light", "弱": "light", "中等": "medium", "中度": "medium",
    "强烈": "strong", "强": "strong", "最强": MAX, "最大": MAX,
}  # fmt: skip
# A reading is called by the band that it is nearest to. A tenth of slack at both ends: landing is
# read on one half of the held-out text and reported on the other, so a run for 0.05 may well read
# 0.047, and one for 0.15, the end of medium, 0.151.
_EDGES = ((0.045, None), (0.09, "light"), (0.153, "medium"), (0.22, "strong"))


@dataclass(frozen=True)
class Strength:
    """What a user asked for: `kl` in nats per token, infinite for `max`. `name` is a band, `max` or
    the number as typed."""

    name: str
    kl: float

    @property
    def folder(self) -> str:
        """The name of an exported adapter's folder: light, kl-0.12, max."""
        return self.name if self.name in NAMED or self.name == MAX else f"kl-{self.kl:g}"

    @property
    def budget(self) -> float:
        """As the budget of a training, where `max` is the upper end of the bands."""
        return BANDS["strong"][1] if self.name == MAX else self.kl

    def words(self) -> str:
        """light (0.065) | 轻微（0.065）; a number as it is."""
        if self.name == MAX:
            return say("max", "最强")
        if self.name in NAMED:
            return say(f"{self.name} ({self.kl:g})", f"{band_name(self.name)}（{self.kl:g}）")
        return f"{self.kl:g}"


def parse_strength(typed: str, option: str = "--strength", *, base: bool = False) -> Strength:
    """light, medium, strong, max, their Chinese names, or a number above 0; full-width too.

    With `base`, 0 is a strength as well: that of the base. Raises UserError.
    """
    if found := by_name(typed):
        return found
    word = numeral(typed)
    try:
        kl = float(word) if word.isascii() else math.nan
    except ValueError:
        kl = math.nan
    if not (0 < kl < math.inf or (base and kl == 0)):
        above = (
            (", 0 (the base), and numbers above 0", "、0（基座）")
            if base
            else (", and numbers above 0", "")
        )
        raise UserError(
            f"{option} {typed}: allowed are {', '.join(NAMED)}, {MAX}{above[0]}.",
            f"{option} {typed}：可用 轻微、中等、强烈、max{above[1]}，或大于 0 的数字。",
        )
    return Strength(f"{abs(kl):g}", abs(kl))


def by_name(typed: str) -> Strength | None:
    """The strength that a name says, None for everything else."""
    word = numeral(typed)
    name = _ALSO.get(word, word.lower())
    if name == MAX:
        return Strength(MAX, math.inf)
    return Strength(name, NAMED[name]) if name in NAMED else None


def parse_strengths(typed: str, option: str = "--export", *, base: bool = False) -> list[Strength]:
    """Those of a list with commas, each once. Raises UserError."""
    parts = [part for part in re.split("[,，、;；]", typed) if part.strip()]
    if not parts:
        raise UserError(
            f"{option}: names no strength; for example {option} light,medium.",
            f"{option}：没有写强度；例如 {option} 轻微,中等。",
        )
    found = (parse_strength(part, option, base=base) for part in parts)
    return list({each.folder: each for each in found}.values())


def band_name(name: str) -> str:
    """The band's name in the user's language."""
    return say(*_NAMES[name])


def band_near(kl: float) -> str | None:
    """The band, as BANDS calls it, that `kl` is nearest to; None beyond their ends."""
    return next((band for most, band in _EDGES if kl < most), None)


def is_noticeable(kl: float) -> bool:
    """Whether it reaches the weakest band, so that weaker strengths are worth their names."""
    return kl >= _EDGES[0][0]


def name_of(kl: float) -> str:
    """What a reading is called, whatever it is: light, medium, strong, or beyond them."""
    band = band_near(kl)
    if band:
        return band_name(band)
    if is_noticeable(kl):
        return say("beyond strong", "超过强烈")
    return say("barely noticeable", "几乎看不出")


def verdict(kl: float, asked: float | None) -> str:
    """The sentence with which a run and its report begin; `asked` None: there was no target."""
    if asked is None:
        return say(
            f"style strength: {name_of(kl)}, reached {figure(kl)} (no target)",
            f"风格强度：{name_of(kl)}（实测 {figure(kl)}，未设目标）",
        )
    return say(
        f"style strength: {name_of(kl)}, asked {asked:g}, reached {figure(kl)}",
        f"风格强度：{name_of(kl)}（目标 {asked:g}，实测 {figure(kl)}）",
    )


def in_words() -> tuple[str, str]:
    """All bands in a line: "0.05-0.08 light, ...", in English and Chinese."""
    spans = {name: f"{low:g}-{high:g}" for name, (low, high) in BANDS.items()}
    en = ", ".join(f"{span} {_NAMES[name][0]}" for name, span in spans.items())
    zh = "，".join(f"{span} {_NAMES[name][1]}" for name, span in spans.items())
    return en, zh


def named_bands() -> dict[str, tuple[float, float]]:
    """(lowest, highest) KL of each band, by its name in the user's language."""
    return {band_name(name): span for name, span in BANDS.items()}
