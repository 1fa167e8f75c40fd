"""Which runs no other run beats, of style gained against general text forgotten."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

Point = tuple[float, float]


def frontier(points: Sequence[Point]) -> list[int]:
    """Indexes of the (forgotten, gained) that are not dominated, by rising forgetting.

    A point is dominated where another forgets no more and gains no less, and is better in one
    of the two. Equal points don't dominate each other.
    """
    best = [
        i
        for i, (forgotten, gained) in enumerate(points)
        if not any(
            f <= forgotten and g >= gained and (f, g) != (forgotten, gained) for f, g in points
        )
    ]
    return sorted(best, key=lambda i: points[i])


def steps(points: Sequence[Point]) -> list[Point]:
    """The corners of the line through a frontier: level with a point until the next begins."""
    corners: list[Point] = []
    for forgotten, gained in points:
        if corners:
            corners.append((forgotten, corners[-1][1]))
        corners.append((forgotten, gained))
    return corners


def text_figure(
    points: Sequence[Point], letters: Sequence[str], *, width: int = 56, height: int = 15
) -> list[str]:
    """The runs and their frontier in characters: x forgotten, y gained."""
    low_x, high_x = _span([x for x, _ in points])
    low_y, high_y = _span([y for _, y in points])

    def place(point: Point) -> tuple[int, int]:
        x, y = point
        column = round((x - low_x) / (high_x - low_x) * (width - 1))
        return column, round((high_y - y) / (high_y - low_y) * (height - 1))

    grid = [[" "] * width for _ in range(height)]
    corners = [place(p) for p in steps([points[i] for i in frontier(points)])]
    for (x1, y1), (x2, y2) in itertools.pairwise(corners):
        for column in range(min(x1, x2), max(x1, x2) + 1):
            for row in range(min(y1, y2), max(y1, y2) + 1):
                grid[row][column] = "·"
    for point, letter in zip(points, letters, strict=True):
        column, row = place(point)
        # Two runs in one place: the later one stands beside the earlier, as far as there is room.
        while column < width - 1 and grid[row][column].isalnum():
            column += 1
        grid[row][column] = letter
    marks = {0: f"{high_y:.3f}", height - 1: f"{low_y:.3f}"}
    lines = [f"{marks.get(i, ''):>8} │{''.join(row)}".rstrip() for i, row in enumerate(grid)]
    ends = f"{low_x:+.3f}", f"{high_x:+.3f}"
    gap = " " * (width - sum(map(len, ends)))
    return [*lines, " " * 9 + "└" + "─" * width, " " * 10 + ends[0] + gap + ends[1]]


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 0.1
    return low - margin, high + margin
