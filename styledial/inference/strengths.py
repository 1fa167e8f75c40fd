"""A strength as typed where the base is one of the choices."""

from __future__ import annotations

import math
from collections.abc import Sequence

from styledial.dial import DialPoint, rising_part, scale_for
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


def scale_at(points: Sequence[DialPoint], kl: float) -> float:
    """The adapter's scale with this KL; raises UserError for one that is out of reach."""
    most = rising_part(points)[-1].kl
    if not 0 < kl <= most:
        raise UserError(
            f"strength {kl:g}: this adapter reaches strengths above 0 and up to {most:.3f}. For "
            "more, train again with a larger kl_beta.",
            f"强度 {kl:g}：这个适配器可调范围为 0 到 {most:.3f}。"
            "需要更强请用更大的 kl_beta 重新训练。",
        )
    return scale_for(points, kl)
