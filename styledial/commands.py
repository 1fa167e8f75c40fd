"""Commands as they are typed, for advice that can be copied as it stands, and rows of words."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from styledial.language import say, typed


def command(*words: str | Path) -> str:
    """`styledial` with these words, each quoted where a shell needs it.

    Where the program isn't on the PATH (a virtual environment that isn't active), it is named by
    where it lies.
    """
    return " ".join([_program(), *(typed(word) for word in words)])


def next_lines(advice: Sequence[tuple[str, str]]) -> Iterator[str]:
    """What to type next: (purpose, command); the command stands alone on its line."""
    yield say("Next:", "接下来：")
    for what, typed_command in advice:
        yield f"  {what}"
        yield f"    {typed_command}"


def rows(pairs: Sequence[tuple[str, str]], indent: str = "  ", *, like: str = "") -> Iterator[str]:
    """ "label  text" lines, the texts one below the other; Chinese characters take two columns.
    Labels are as wide as `like` at least, so that rows said one by one stand in line."""
    from rich.cells import cell_len

    widest = max([cell_len(like), *(cell_len(label) for label, _ in pairs)])
    for label, text in pairs:
        yield f"{indent}{label}{' ' * (widest - cell_len(label))}  {text}"


def _program() -> str:
    if shutil.which("styledial"):
        return "styledial"
    beside = Path(sys.executable).with_name("styledial")
    if beside.is_file():
        return typed(from_here(beside))
    return f"{typed(from_here(Path(sys.executable)))} -m styledial"


def from_here(path: Path) -> Path:
    """`path` as one types it in the current folder: relative where it lies below that."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
