"""The figures of the report and of a comparison; drawing.py turns each into SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from styledial.report.drawing import Points, as_svg, available, data, hover
from styledial.report.frontier import frontier, steps

# More points than there are pixels show nothing more; hover strips need some width.
_POINTS, _STRIPS = 400, 60


def curve(
    points: Points,
    *,
    label: str,
    x_title: str,
    smooth: bool = False,
    log: bool = False,
    rule: float | None = None,
    number_format: str = "~g",
    y_zero: bool = False,
    dots: Points = (),
) -> str | None:
    """A metric over the run; `smooth` draws a running mean over the raw line.

    `dots`: the same metric as read now and then on other text, in blue.

    `rule` is a level such as the budget, drawn dashed. None without the library or the data.
    """
    points = [(x, y) for x, y in points if math.isfinite(y) and (y > 0 or not log)]
    if not available() or not points:
        return None
    import altair as alt

    thin = _thinned(points, _POINTS)
    scale = alt.Scale(type="log") if log else alt.Scale(zero=y_zero, nice=True)
    x = alt.X("x:Q", title=x_title, scale=alt.Scale(nice=False, domain=_span(points)))
    axis = alt.Axis(
        labelExpr=f"datum.value == 0 ? '0' : format(datum.value, '{number_format}')",
        **({"values": _powers(points)} if log else {"tickCount": 4}),
    )
    y = alt.Y("y:Q", title=None, scale=scale, axis=axis)
    layers: list[Any] = []
    if rule is not None:
        level = alt.Chart(alt.Data(values=[{"y": rule}]))
        layers.append(
            level.mark_rule(color="var(--ink)", aria=False, strokeDash=[4, 3]).encode(y=y)
        )
    faint = {"opacity": 0.35, "strokeWidth": 1.0} if smooth else {"strokeWidth": 1.75}
    base = alt.Chart(data(thin)).encode(x=x, y=y)
    layers.append(base.mark_line(color="var(--accent)", aria=False, **faint))
    if smooth:
        mean = alt.Chart(data(_running_mean(points))).encode(x=x, y=y)
        layers.append(mean.mark_line(color="var(--accent)", aria=False, strokeWidth=2))
    if dots:
        others = alt.Chart(data(dots)).encode(x=x, y=y)
        layers.append(others.mark_line(color="var(--second)", aria=False, strokeWidth=1.5))
        layers.append(
            others.mark_point(color="var(--second)", aria=False, filled=True, size=22, opacity=1)
        )
    layers.append(hover(_thinned(points, _STRIPS), x, lambda px, py: f"{px:g}: {py:.4g}"))
    return as_svg(alt.layer(*layers), label)


def bands_curve(
    points: Points,
    *,
    chosen: tuple[float, float] | None,
    bands: Mapping[str, tuple[float, float]],
    label: str,
    x_title: str,
    chosen_name: str,
) -> str | None:
    """KL over scale with the guide's bands behind it and the chosen point on it."""
    if not available() or not points:
        return None
    import altair as alt

    top = max(max(y for _, y in points), max(high for _, high in bands.values())) * 1.05
    x = alt.X("x:Q", title=x_title, scale=alt.Scale(domain=[0, max(x for x, _ in points)]))
    y = alt.Y(
        "y:Q", title=None, scale=alt.Scale(domain=[0, top], nice=False), axis=alt.Axis(tickCount=5)
    )
    rows = [{"y": low, "y2": high, "name": name} for name, (low, high) in bands.items()]
    band = alt.Chart(alt.Data(values=rows))
    area = band.mark_rect(color="var(--band)", aria=False, stroke="var(--paper)")
    name = band.mark_text(color="var(--muted)", align="left", aria=False, fontSize=11)
    at_middle = name.encode(x=alt.value(6), y=alt.Y("middle:Q"), text="name:N")
    curve = alt.Chart(data([(0.0, 0.0), *points])).encode(x=x, y=y)
    dots = alt.Chart(data(points)).encode(x=x, y=y)
    layers: list[Any] = [
        area.encode(y=y, y2="y2:Q"),
        at_middle.transform_calculate(middle="(datum.y + datum.y2) / 2"),
        curve.mark_line(color="var(--accent)", aria=False, strokeWidth=2, interpolate="monotone"),
        dots.mark_point(color="var(--accent)", aria=False, filled=True, size=18, opacity=1),
    ]
    if chosen:
        layers += _chosen(chosen, x, y, chosen_name)
    layers.append(hover(points, x, lambda px, py: f"{px:g}: {py:.4f}"))
    return as_svg(alt.layer(*layers), label)


def two_curves(
    curves: Sequence[Points], *, label: str, x_title: str, marked_x: float | None = None
) -> str | None:
    """Two curves from the origin over one axis; the page's legend names them."""
    if not available() or not any(curves):
        return None
    import altair as alt

    end = max(x for points in curves for x, _ in points)
    x = alt.X("x:Q", title=x_title, scale=alt.Scale(domain=[0, end * 1.02], nice=False))
    y = alt.Y("y:Q", title=None, axis=alt.Axis(tickCount=5, format="~g"))
    layers: list[Any] = [
        alt.Chart(data([(0, 0)])).mark_rule(color="var(--muted)", aria=False).encode(y="y:Q")
    ]
    if marked_x is not None:
        layers.append(
            alt.Chart(data([(marked_x, 0)]))
            .mark_rule(color="var(--ink)", aria=False, strokeDash=[3, 3])
            .encode(x=x)
        )
    for i, points in enumerate(curves):
        color = "var(--second)" if i else "var(--accent)"
        line = alt.Chart(data([(0.0, 0.0), *points])).encode(x=x, y=y)
        layers.append(line.mark_line(color=color, aria=False, strokeWidth=2))
        if i:
            dots = alt.Chart(data(points)).encode(x=x, y=y)
            layers.append(dots.mark_point(color=color, aria=False, filled=True, size=22, opacity=1))
        layers.append(hover(points, x, lambda px, py: f"{px:.4f}: {py:+.4f}"))
    return as_svg(alt.layer(*layers), label)


def frontier_figure(
    points: Points,
    letters: Sequence[str],
    names: Sequence[str],
    *,
    label: str,
    x_title: str,
    y_title: str,
    unit: str,
    size: tuple[int, int],
) -> str | None:
    """(forgotten, gained) of each run with its letter, and the line through the frontier.

    The axes carry `unit` behind their titles.
    """
    if not available() or not points:
        return None
    import altair as alt

    best = frontier(points)
    x = alt.X(
        "x:Q",
        title=f"{x_title} ({unit})",
        scale=alt.Scale(zero=False, nice=True, padding=14),
        axis=alt.Axis(tickCount=5, format="~g"),
    )
    y = alt.Y(
        "y:Q",
        title=f"{y_title} ({unit})",
        scale=alt.Scale(zero=False, nice=True, padding=14),
        axis=alt.Axis(tickCount=6, format="~g"),
    )
    rows = [
        {
            "x": px,
            "y": py,
            "t": letter,
            "on": i in best,
            "words": f"{letter} {name}: {x_title} {px:+.4f}, {y_title} {py:.4f}",
        }
        for i, ((px, py), letter, name) in enumerate(zip(points, letters, names, strict=True))
    ]
    layers: list[Any] = [
        alt.Chart(data(steps([points[i] for i in best])))
        .mark_line(color="var(--accent)", aria=False, strokeWidth=1.5, opacity=0.6)
        .encode(x=x, y=y, order="order:Q")
        .transform_window(order="row_number()"),
    ]
    for on, color in ((True, "var(--accent)"), (False, "var(--muted)")):
        mine = [row for row in rows if row["on"] == on]
        if mine:
            chart = alt.Chart(alt.Data(values=mine)).encode(x=x, y=y, description="words:N")
            layers.append(chart.mark_point(color=color, filled=on, size=60, opacity=1))
    for (dx, dy), chosen in _apart(rows, size).items():
        text = alt.Chart(alt.Data(values=chosen)).encode(x=x, y=y, text="t:N")
        layers.append(text.mark_text(color="var(--ink)", aria=False, dx=dx, dy=dy))
    return as_svg(alt.layer(*layers), label, size)


def _apart(
    rows: Sequence[dict[str, Any]], size: tuple[int, int]
) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """Where each letter stands beside its point, (dx, dy) in pixels, clear of points and letters.

    Pixels are reckoned from the spread of the data, which is near enough for letters.
    """
    spots = [(10, -8), (-10, -8), (10, 10), (-10, 10), (0, -14), (0, 15), (18, 0), (-18, 0)]
    spans = [max(r[k] for r in rows) - min(r[k] for r in rows) or 1.0 for k in ("x", "y")]
    width, height = size[0] - 110, size[1] - 80  # without axes and padding
    places = [(r["x"] / spans[0] * width, -r["y"] / spans[1] * height) for r in rows]
    taken = list(places)
    chosen: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row, (px, py) in zip(rows, places, strict=True):
        room = {
            (dx, dy): min(max(abs(px + dx - tx), abs(py + dy - ty)) for tx, ty in taken)
            for dx, dy in spots
        }
        spot = next((s for s in spots if room[s] >= 9), max(spots, key=lambda s: room[s]))
        taken.append((px + spot[0], py + spot[1]))
        chosen.setdefault(spot, []).append(row)
    return chosen


def _chosen(chosen: tuple[float, float], x: Any, y: Any, name: str) -> list[Any]:
    import altair as alt

    row = alt.Chart(alt.Data(values=[{"x": chosen[0], "y": chosen[1], "t": name}]))
    return [
        row.mark_point(color="var(--ink)", aria=False, size=110, strokeWidth=2, opacity=1).encode(
            x=x, y=y
        ),
        row.mark_text(color="var(--ink)", aria=False, align="right", dx=-10, dy=-8).encode(
            x=x, y=y, text="t:N"
        ),
    ]


def _powers(points: Points) -> list[float]:
    """The powers of ten around the values, at most about five: the lines of a log axis."""
    low = math.floor(math.log10(min(y for _, y in points)))
    high = math.ceil(math.log10(max(y for _, y in points)))
    every = max(1, (high - low) // 4)
    return [10.0**power for power in range(low, high + 1, every)]


def _span(points: Points) -> list[float]:
    first, last = points[0][0], points[-1][0]
    return [first, last] if last > first else [first - 1, last + 1]


def _thinned(points: Points, most: int) -> Points:
    """At most about `most` of the points, evenly, the last among them."""
    every = math.ceil(len(points) / most)
    return points if every == 1 else [*points[: len(points) - 1 : every], points[-1]]


def _running_mean(points: Points) -> Points:
    """Over a twentieth of the run, centred; at the ends over what there is."""
    half = max(1, len(points) // 40)
    found = []
    for i, (x, _) in enumerate(points):
        window = [y for _, y in points[max(0, i - half) : i + half + 1]]
        found.append((x, sum(window) / len(window)))
    return _thinned(found, _POINTS)
