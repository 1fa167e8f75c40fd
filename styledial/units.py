"""Figures in words, rounded in one place: sizes, times, counts, shares, changes.

Memory is by powers of 1024, as GPUs have it; disks and downloads by 1000, as hubs do. A figure is
never rounded to a zero that it isn't (0.0 h), and zero has no sign (-0.000).
"""

from __future__ import annotations

import math

from styledial.language import say

# (unit, bytes in it, decimals), largest first; the last takes what is smaller.
_MEMORY = (("GiB", 2**30, 2), ("MiB", 2**20, 0))
_DISK = (("GB", 10**9, 1), ("MB", 10**6, 1), ("kB", 10**3, 1), ("B", 1, 0))


def memory_size(count: float) -> str:
    """Bytes of memory: 3.00 GiB, 512 MiB."""
    return _in_words(count, _MEMORY)


def disk_size(count: float) -> str:
    """Bytes on a disk or to download: 3.1 GB, 900.0 kB."""
    return _in_words(count, _DISK)


def fixed(value: float, digits: int = 3) -> str:
    """With `digits` decimals, thousands grouped: 1,234.500; never -0.000."""
    return f"{_without_minus_zero(value, digits):,.{digits}f}"


def signed(value: float, digits: int = 3) -> str:
    """A change: +0.009, -0.120; 0.000 where nothing is left of it."""
    rounded = _without_minus_zero(value, digits)
    return f"{rounded:+,.{digits}f}" if rounded else f"{0:.{digits}f}"


def strength(kl: float) -> str:
    """A KL in nats per token, with three decimals; smaller ones by two figures: 0.00042."""
    if kl and abs(kl) < 0.001:
        return f"{kl:.{1 - math.floor(math.log10(abs(kl)))}f}"
    return fixed(kl, 3)


def percent(share: float) -> str:
    """0.423 -> 42%; a share that is neither nothing nor all never reads as such."""
    if 0 < share < 0.01:
        return "< 1%"
    return f"{99 if 0.99 < share < 1 else round(100 * share)}%"


def duration(seconds: float) -> str:
    """1 h 02 min, 3 min 20 s, 41 s, and below ten seconds 4.1 s; days beyond 48 hours."""
    if seconds < 9.95:
        shown = f"{max(seconds, 0.1):.1f}" if seconds > 0 else "0"
        return say(f"{shown} s", f"{shown} 秒")
    left = round(seconds)
    hours, minutes, rest = left // 3600, left % 3600 // 60, left % 60
    if hours >= 48:
        days, more = divmod(round(seconds / 3600), 24)
        return say(f"{days} days {more} h", f"{days} 天 {more} 小时")
    if hours:
        return say(f"{hours} h {minutes:02d} min", f"{hours} 小时 {minutes:02d} 分")
    if minutes:
        return say(f"{minutes} min {rest:02d} s", f"{minutes} 分 {rest:02d} 秒")
    return say(f"{rest} s", f"{rest} 秒")


def about(seconds: float) -> str:
    """An estimated time, by two figures: 40 s, 12 min, 3.5 h, 9 days."""
    if seconds < 55:
        rounded = max(1, round(seconds)) if seconds < 10 else 5 * round(seconds / 5)
        return say(f"{rounded} s", f"{rounded} 秒")
    if seconds < 5700:
        minutes = round(seconds / 60)
        return say(f"{minutes} min", f"{minutes} 分钟")
    if seconds < 48 * 3600:
        hours = f"{seconds / 3600:.1f}" if seconds < 36_000 else f"{seconds / 3600:.0f}"
        return say(f"{hours} h", f"{hours} 小时")
    days = round(seconds / 86_400)
    return say(f"{days:,} days", f"{days:,} 天")


def count(number: float, one: str, many: str, zh: str) -> str:
    """A whole number with its noun: 1 book, 2 books | 2 本书; a small fraction reads "under 1"."""
    if 0 < number < 0.95:
        return say(f"under 1 {one}", f"不到 1 {zh}")
    whole = round(number)
    return say(f"{whole:,} {one if whole == 1 else many}", f"{whole:,} {zh}")


def operations(flops: float) -> str:
    """Work by three figures at most: 12.3 TFLOP, 31.0 GFLOP."""
    return f"{flops / 1e12:,.1f} TFLOP" if flops >= 1e11 else f"{max(flops / 1e9, 0.1):,.1f} GFLOP"


def epochs(number: float) -> tuple[str, str]:
    """Passes over the text, in English and Chinese: 3 epochs, 0.05 epochs | 3 轮."""
    if 0 < number < 0.01:
        shown = "< 0.01"
    elif number < 1:
        shown = f"{number:.2g}"
    else:
        shown = f"{number:.2f}".rstrip("0").rstrip(".") if number < 10 else f"{number:.0f}"
    return f"{shown} {'epoch' if shown == '1' else 'epochs'}", f"{shown} 轮"


def large(number: float) -> str:
    """A large count by three figures: 980, 12,300, 1.26 million | 126 万."""
    if number < 10_000:
        return f"{round(number):,}"
    en = f"{number / 1e6:.3g} million" if number >= 1e6 else f"{round(number, -2):,.0f}"
    zh = f"{number / 1e8:.3g} 亿" if number >= 1e8 else f"{number / 1e4:,.4g} 万"
    return say(en, zh)


def _without_minus_zero(value: float, digits: int) -> float:
    return round(value, digits) + 0.0


def _in_words(count: float, units: tuple[tuple[str, int, int], ...]) -> str:
    name, size, decimals = next((unit for unit in units if count >= unit[1]), units[-1])
    least = 10**-decimals
    if 0 < count / size < least / 2:
        return f"< {least:g} {name}"
    return f"{count / size:,.{decimals}f} {name}"
