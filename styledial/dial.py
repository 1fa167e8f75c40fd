"""The dial: from one trained adapter to any strength up to a little above its own, or to how it was
trained where it was scaled down at the end.

LoRA's update is linear in a scale s, and KL(s) grows with s, so a table of KL(s) on held-out
text, measured once, tells which scale gives the KL that a user asks for:

    style_dial.json   {"trained_kl_beta": 0.2, "base": {"style_nll": .., "general_nll": ..},
                       "points": [{"scale": 0.5, "kl": 0.06, "style_nll": .., "general_nll": ..}]}

Between two points log KL is taken as linear in log s, below the first as quadratic in s, which
is how KL starts (its gradient at the base is zero).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from styledial.errors import AdapterError
from styledial.files import read_json
from styledial.language import typed
from styledial.strength import BANDS

FILE = "style_dial.json"
# A little above the trained strength is measured too; beyond it an adapter was never trained. One
# that was scaled down at the end is measured up to how it was trained, or until it is too strong.
SCALES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
_STEP, _HIGHEST = 1.2, 100.0
_TOO_STRONG = 1.5 * BANDS["strong"][1]


@dataclass(frozen=True)
class DialPoint:
    """At `scale` times the trained adapter: KL and NLLs in nats per token, held-out text."""

    scale: float
    kl: float
    style_nll: float
    general_nll: float


def scale_for(points: Sequence[DialPoint], kl: float) -> float:
    """The scale at which the adapter's KL is `kl`; raises ValueError beyond `strongest`."""
    rising = rising_part(points)
    if not 0 < kl <= rising[-1].kl:
        raise ValueError(f"no scale has a KL of {kl:g}; the largest is {rising[-1].kl:g}")
    first = rising[0]
    if kl <= first.kl:
        return first.scale * math.sqrt(kl / first.kl)
    low, high = next((a, b) for a, b in itertools.pairwise(rising) if a.kl <= kl <= b.kl)
    part = math.log(kl / low.kl) / math.log(high.kl / low.kl)
    return low.scale * (high.scale / low.scale) ** part


def strongest(points: Sequence[DialPoint]) -> DialPoint:
    """The point of the largest KL that is reached by turning up."""
    return rising_part(points)[-1]


def rising_part(points: Sequence[DialPoint]) -> list[DialPoint]:
    """The points in order of scale, as far as KL goes up with it."""
    rising: list[DialPoint] = []
    for point in sorted(points, key=lambda point: point.scale):
        if point.kl > (rising[-1].kl if rising else 0.0):
            rising.append(point)
    return rising


def highest_scale(landed: float) -> float:
    """How far an adapter can be turned up that landing multiplied by `landed`: to how it was
    trained, and in any case a little beyond its own strength."""
    return max(SCALES[-1], 1 / max(landed, 1 / _HIGHEST))


def scales_to(highest: float) -> list[float]:
    """The scales that are measured where an adapter can be turned up to `highest`."""
    scales, last = list(SCALES), math.floor(100 * highest + 1e-6) / 100
    while scales[-1] < last:
        scales.append(min(round(scales[-1] * _STEP, 2), last))
    return scales


def read_points(
    scales: Iterable[float], measure_at: Callable[[float], tuple[float, float, float]]
) -> list[DialPoint]:
    """`measure_at(scale)` gives (kl, style_nll, general_nll); called once per scale. Beyond the
    usual scales it ends where KL is half above the strongest band, or no longer rises."""
    points: list[DialPoint] = []
    for scale in scales:
        if scale <= SCALES[-1]:
            points.append(DialPoint(scale, *measure_at(scale)))
            continue
        if points[-1].kl >= _TOO_STRONG:
            break
        point = DialPoint(scale, *measure_at(scale))
        if not point.kl > points[-1].kl or not all(map(math.isfinite, astuple(point))):
            break
        points.append(point)
    return points


def as_json(
    trained_kl_beta: float, points: Sequence[DialPoint], base: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """What style_dial.json holds. `base`: the base's own NLL on the same texts, as style_nll and
    general_nll."""
    kept = [asdict(point) for point in points]
    return {"trained_kl_beta": trained_kl_beta, "base": base, "points": kept}


def load_dial(folder: Path) -> list[DialPoint]:
    """The measured points; raises AdapterError where there are none."""
    path = folder / FILE
    try:
        content: dict[str, Any] = read_json(path)
        points = [DialPoint(**point) for point in content["points"]]
        for value in itertools.chain.from_iterable(map(astuple, points)):
            if type(value) not in (int, float) or not math.isfinite(value):
                raise ValueError(value)
    except FileNotFoundError:
        raise AdapterError(
            f"{folder}: its strength has not been measured yet; run `styledial dial "
            f"{typed(folder)}` first.",
            f"{folder}：尚未测量强度；请先运行 `styledial dial {typed(folder)}`。",
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        points = []
    if not rising_part(points):
        raise AdapterError(
            f"{path}: cannot be read. Move it away, then `styledial dial {typed(folder)}`.",
            f"{path}：无法读取。请把它移走，再运行 `styledial dial {typed(folder)}`。",
        )
    return points
