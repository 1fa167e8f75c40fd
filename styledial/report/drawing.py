"""Figures as SVG text, drawn by Vega-Altair without a browser.

Colours are the page's CSS variables, so one drawing serves light, dark and paper. Figures are about
as wide as a phone, and the page sets them in one, two or three columns; one that takes a whole row
is drawn a second time, wide. A pointer held over a figure shows the values there (SVG titles: no
script).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any
from xml.etree import ElementTree

INSTALL = "pip install 'styledial[report]'"
WIDTH, HEIGHT = 340, 190
# (width, height) of a figure that the page shows at its full width: on a phone, and elsewhere.
NARROW, WIDE = (WIDTH, 260), (900, 380)
_SVG = "http://www.w3.org/2000/svg"
_FONT = "system-ui, sans-serif"

Points = Sequence[tuple[float, float]]


def available() -> bool:
    """Whether the plotting library is installed (extra `report`)."""
    return find_spec("altair") is not None and find_spec("vl_convert") is not None


def hover(points: Points, x: Any, words: Callable[[float, float], str]) -> Any:
    """Invisible strips of the figure's height, each with the words of its point."""
    import altair as alt

    rows = [{"x": px, "t": words(px, py)} for px, py in points]
    width = max(2.0, WIDTH / max(len(points), 1))
    strips = alt.Chart(alt.Data(values=rows)).mark_rule(opacity=0, strokeWidth=width)
    return strips.encode(x=x, description="t:N")


# A reader's font may be wider than the one that the drawing was measured with, a minus sign above
# all: labels of the y axis need room to the left.
_PADDING = {"left": 7, "top": 2, "right": 2, "bottom": 2}


def as_svg(chart: Any, label: str, size: tuple[int, int] = (WIDTH, HEIGHT)) -> str:
    """The chart as an <svg> that takes the width it is given; a single image to a reader."""
    import altair as alt
    import vl_convert

    axis = {
        "labelColor": "var(--muted)", "titleColor": "var(--muted)", "gridColor": "var(--line)",
        "domainColor": "var(--line)", "ticks": False, "labelPadding": 6, "titlePadding": 6,
        "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "labelFont": _FONT,
        "titleFont": _FONT,
    }  # fmt: skip
    spec = chart.properties(
        width=size[0],
        height=size[1],
        background="transparent",
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
    ).to_dict()
    spec["config"] = {
        "axis": axis, "axisX": {
            "grid": False, "labelFlush": False, "labelOverlap": "greedy", "labelSeparation": 10,
        }, "axisY": {"domain": False, "titlePadding": 12},
        "view": {"stroke": None}, "text": {"font": _FONT, "fontSize": 12}, "padding": _PADDING,
    }  # fmt: skip
    return _as_image(vl_convert.vegalite_to_svg(spec), label)


def _as_image(svg: str, label: str) -> str:
    """Drop the library's many roles, keep the hover words as <title>, name the whole."""
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(svg)
    for node in root.iter():
        words = node.attrib.pop("aria-label", None)
        for name in ("role", "aria-roledescription", "aria-hidden"):
            node.attrib.pop(name, None)
        if words and not node.tag.endswith("}g"):
            ElementTree.SubElement(node, f"{{{_SVG}}}title").text = words
    for name in ("width", "height", "class", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", label)
    return ElementTree.tostring(root, encoding="unicode")


def data(points: Points) -> Any:
    """Points as the inline data of a Vega-Lite chart."""
    import altair as alt

    return alt.Data(values=[{"x": x, "y": y} for x, y in points])
