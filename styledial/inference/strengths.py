"""A strength as typed where the base is one of the choices."""

from __future__ import annotations

import math
from collections.abc import Sequence

from styledial.dial import DialPoint, scale_for, strongest
from styledial.errors import UserError
from styledial.strength import parse_strength
from styledial.units import strength as figure


def parse_kl(option: str, typed: str) -> float:
    """As `--strength` is typed (light, 中等, max, 0.08), and 0 for the base. Raises UserError.

    `max` is returned as infinity, as the limit differs between adapters.
    """
    return parse_strength(typed, option, base=True).kl


def scale_at(points: Sequence[DialPoint], kl: float) -> float:
    """The adapter's scale with this KL; raises UserError for one that is out of reach."""
    most = strongest(points).kl
    if kl == math.inf:
        kl = most
    if not 0 < kl <= most:
        raise UserError(
            f"strength {kl:g}: this adapter reaches strengths above 0 and up to {figure(most)}. "
            "For more, train longer with a larger kl_beta.",
            f"强度 {kl:g}：这个适配器可调范围为 0 到 {figure(most)}。"
            "需要更强，请用更大的 kl_beta 训练更久。",
        )
    return scale_for(points, kl)
