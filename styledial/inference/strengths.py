"""A strength as typed where the base is one of the choices."""

from __future__ import annotations

import math

from styledial.errors import UserError
from styledial.strength import NAMED


def parse_kl(option: str, typed: str) -> float:
    """light, medium, strong, or a number; 0 is the base. Raises UserError."""
    word = typed.strip()
    try:
        kl = NAMED[word] if word in NAMED else float(word)
    except ValueError:
        kl = math.nan
    if not 0 <= kl < math.inf:
        raise UserError(
            f"{option} {typed}: allowed are {', '.join(NAMED)} and numbers; 0 is the base.",
            f"{option} {typed}：可用 {', '.join(NAMED)} 或数字；0 为基座。",
        )
    return kl
