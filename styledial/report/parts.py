"""What a page is made of: plain data; page.py and the templates turn it into HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from styledial.run_folder.outcome import State

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

    `wide` is the same drawing for a wide page. `legend` names the lines: the first in the page's
    accent, the second in blue with dots.
    """

    title: str
    svg: str | None
    note: str = ""
    legend: Sequence[str] = ()
    wide: str | None = None


@dataclass(frozen=True)
class Word:
    """A stretch of text; `level` 1 and 2 are marked, `times` says why: "2.4 x"."""

    text: str
    level: int = 0
    times: str = ""


@dataclass(frozen=True)
class Version:
    """What one model wrote: its name, a remark, and its text. A strength that the adapter doesn't
    reach has no text."""

    name: str
    words: Sequence[Word] = ()
    remark: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Written:
    """One prompt and what each model made of it."""

    prompt: str
    versions: Sequence[Version]


@dataclass(frozen=True)
class Writing:
    """The samples of a page: `first` in tabs beside a passage of the `book`, `others` below.

    `notes` are sentences beneath: what is marked, what is out of reach, how it was sampled.
    """

    first: Written | None
    others: Sequence[Written] = ()
    book: Sequence[Word] = ()
    marked: bool = False
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Light:
    """One line of the verdict: strength, style, ...; `word` says the state, `sentence` explains."""

    name: str
    state: State  # a sign and a colour in the template, always beside a word
    word: str
    sentence: str = ""


@dataclass(frozen=True)
class Step:
    """Something to do next; `why` is folded."""

    text: str
    why: str = ""


@dataclass(frozen=True)
class Section:
    """One heading of the page. In `lines`, what stands between backticks is set as code."""

    name: str
    title: str
    lines: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Verdict:
    """The page's headline, and under the writing a light for each thing and what to do; `clear`
    says so where there is nothing to fix, `cautions` what to know before passing it on."""

    run: str
    sentence: str
    lights: Sequence[Light] = field(default_factory=tuple)
    steps: Sequence[Step] = field(default_factory=tuple)
    clear: str = ""
    cautions: Sequence[str] = ()
