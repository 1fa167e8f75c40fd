"""Tables and a figure from the readings of dose_response.py.

    python benchmarks/dose_table.py OUT [--figure FILE.svg]

Three tables: every reading (means over seeds), each budgeted run against its rivals at equal KL,
and at equal style NLL. A rival between two of its own readings (training stopped early or the
adapter scaled down) is taken to be on the straight line between them; outside them it has no
figure. The figure draws style NLL and forgetting against KL.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from statistics import mean
from typing import Any

from dose_response import readings

RIVALS = ("sft", "replay", "penalty", "penalty-f", "asft", "budget", "general")
Group = dict[str, Any]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("output", type=Path)
    options.add_argument("--figure", type=Path)
    given = options.parse_args()
    groups = means(readings(given.output))
    every_reading(groups)
    for x, y, title in (
        ("kl", "style_nll", "Style NLL at the KL of each run with budget and anchor `self`"),
        (
            "style_nll",
            "forgotten",
            "Forgetting at the style NLL of each run with budget and anchor `self`",
        ),
        (
            "style_nll",
            "general_kl",
            "KL on general text at the style NLL of each run with budget and anchor `self`",
        ),
    ):
        against_rivals(groups, x, y, title)
    if given.figure:
        draw(groups, given.figure)


def means(found: list[dict[str, Any]]) -> list[Group]:
    """One entry for each (kind, budget, where it was read), means over the seeds."""
    kept: dict[tuple[str, float, str], list[dict[str, Any]]] = {}
    for reading in found:
        key = (reading["kind"], reading["budget"] or 0.0, reading["at"])
        kept.setdefault(key, []).append(reading)
    groups = []
    for (kind, budget, at), each in kept.items():
        named = {key: mean(r[key] for r in each) for key in ("kl", "style_nll", "general_kl")}
        forgotten = mean(r["general_nll"] - r["general_nll_base"] for r in each)
        groups.append(
            {
                "kind": kind,
                "budget": budget,
                "at": at,
                "seeds": len(each),
                **named,
                "forgotten": forgotten,
                "kls": [r["kl"] for r in each],
            }
        )
    return sorted(groups, key=lambda g: (g["kind"], g["budget"], g["at"]))


def every_reading(groups: list[Group]) -> None:
    print(
        "| run | budget | read at | seeds | KL | KL range | style NLL | forgetting | KL on general |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for g in groups:
        print(
            f"| {g['kind']} | {g['budget'] or ''} | {g['at']} | {g['seeds']} | {g['kl']:.4f} | "
            f"{min(g['kls']):.4f}-{max(g['kls']):.4f} | {g['style_nll']:.4f} | "
            f"{g['forgotten']:+.4f} | {g['general_kl']:.4f} |"
        )


def against_rivals(groups: list[Group], x: str, y: str, title: str) -> None:
    ours = [g for g in groups if g["kind"] == "self" and g["at"] == "landed"]
    rivals = [kind for kind in RIVALS if any(g["kind"] == kind for g in groups)]
    print(f"\n{title}\n\n| budget | {x} | self | " + " | ".join(rivals) + " |")
    print("|---" * (3 + len(rivals)) + "|")
    for g in ours:
        cells = []
        for kind in rivals:
            curves = curves_of(groups, kind)
            values = [v for v in (between(curve, x, y, g[x]) for curve in curves) if v is not None]
            cells.append(f"{min(values):.4f}" if values else "")
        print(f"| {g['budget']:g} | {g[x]:.4f} | {g[y]:.4f} | " + " | ".join(cells) + " |")


def curves_of(groups: list[Group], kind: str) -> list[list[Group]]:
    """A rival's readings as lines: stopped early, scaled down, or over its budgets."""
    own = [g for g in groups if g["kind"] == kind]
    lines = [[g for g in own if g["at"].startswith(way)] for way in ("step", "scale", "landed")]
    return [line for line in lines if line]


def between(line: list[Group], x: str, y: str, value: float) -> float | None:
    """y at x = value on the line through the readings, the lowest where it is crossed twice."""
    ordered = sorted(line, key=lambda g: g["kl"])
    found = []
    for low, high in itertools.pairwise(ordered):
        a, b = low[x], high[x]
        if a != b and min(a, b) <= value <= max(a, b):
            found.append(low[y] + (high[y] - low[y]) * (value - a) / (b - a))
    return min(found) if found else None


def draw(groups: list[Group], path: Path) -> None:
    import altair

    kinds = ("self", "budget", "general", "sft", "replay", "penalty", "penalty-f", "asft")
    rows = [
        {key: g[key] for key in ("kind", "kl", "style_nll", "forgotten", "at")}
        | {"line": g["kind"] + g["at"].split(" ")[0]}
        for g in groups
        if g["kind"] in kinds and not g["at"].startswith("dialled")
    ]
    base = altair.Chart(altair.Data(values=rows)).encode(
        x=altair.X("kl:Q", title="KL(tuned || base) on held-out style text, nats per token"),
        color=altair.Color("kind:N", title=None, sort=list(kinds)),
        shape=altair.Shape("kind:N", title=None, sort=list(kinds)),
        detail="line:N",
    )
    panels = []
    for key, title in (("style_nll", "style NLL"), ("forgotten", "general NLL above the base")):
        y = altair.Y(f"{key}:Q", title=title, scale=altair.Scale(zero=False))
        panels.append(
            (base.mark_line(opacity=0.5) + base.mark_point(filled=True, size=50))
            .encode(y=y)
            .properties(width=360, height=300)
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    altair.hconcat(*panels).save(str(path))


if __name__ == "__main__":
    main()
