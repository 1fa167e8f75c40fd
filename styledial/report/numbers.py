"""Numbers as a reader wants them: three or four figures, a true minus sign, units with a space."""

from __future__ import annotations

import math
from typing import Any

from styledial import units
from styledial.run_folder.metrics import is_number

NONE = "–"


def number(value: Any, digits: int = 3) -> str:
    """Fixed point with `digits` decimals, thousands grouped; a dash where it isn't finite."""
    if not is_number(value):
        return NONE
    return f"{value:,.{digits}f}".replace("-", "\u2212")


def signed(value: Any, digits: int = 3) -> str:
    """A change with its sign: +0.009, \u22120.120; 0.000 where nothing is left of it."""
    if not is_number(value):
        return NONE
    return units.signed(value, digits).replace("-", "\u2212")


def general(value: Any) -> str:
    """For a metric of unknown size: four significant figures, whole numbers as they are."""
    if not is_number(value):
        return NONE
    if isinstance(value, int) or (value == int(value) and not 0 < abs(value) < 1):
        return f"{int(value):,}".replace("-", "\u2212")
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 1
    return number(value, min(digits, 4))


def out_of_100(score: Any) -> str:
    """A score from 0 to 1 as the report's verdict has it: 35 / 100."""
    return f"{100 * score:.0f} / 100" if is_number(score) else NONE


def whole(value: Any) -> str:
    """The nearest whole number, thousands grouped."""
    return f"{round(value):,}" if is_number(value) else NONE


def memory_size(value: Any) -> str:
    """Bytes in GiB, or MiB below one."""
    if not is_number(value) or value <= 0:
        return NONE
    return units.memory_size(value)


def duration(seconds: Any) -> str:
    """1 h 02 min, 3 min 20 s, 41 s."""
    return units.duration(seconds) if is_number(seconds) else NONE
