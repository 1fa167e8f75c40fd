"""What a section is made of: plain data; page.py and the templates turn it into HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Cells = Sequence[str]


class Strong(str):
    """A cell that is set in bold."""

    __slots__ = ()


@dataclass(frozen=True)
class Table:
    """`right`: numbers of the columns that are set flush right; `title`: what it shows."""

    head: Cells
    rows: Sequence[Cells]
    right: frozenset[int] = frozenset()
    title: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Figure:
    """`svg` comes from charts.py, or is None where the plotting library isn't installed.

    `legend` names the lines: the first in the page's accent, the second in blue with dots.
    """

    title: str
    svg: str | None
    note: str = ""
    legend: Sequence[str] = ()


@dataclass(frozen=True)
class Pair:
    """The same prompt, before and after."""

    prompt: str
    before: str
    after: str


@dataclass(frozen=True)
class Section:
    """One heading of the page. In `lines`, what stands between backticks is set as code."""

    name: str
    title: str
    lines: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    pairs: Sequence[Pair] = ()


@dataclass(frozen=True)
class Verdict:
    """The page's headline and the figures under it, as (name, value, remark)."""

    run: str
    sentence: str
    facts: Sequence[tuple[str, str, str]] = field(default_factory=tuple)
