"""Progress bars for commands that take long."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from styledial.evaluation.suite import Tick


@contextmanager
def progress() -> Iterator[Tick]:
    """A bar on stderr in a terminal, a line for each stage elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    if not sys.stderr.isatty():
        said = ""

        def tell(words: str, done: int, total: int) -> None:
            nonlocal said
            if words != said:
                typer.echo(words, err=True)
            said = words

        yield tell
        return
    columns = (
        TextColumn("{task.completed}/{task.total}"),
        BarColumn(bar_width=24),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("")
        yield lambda words, done, total: progress.update(
            task, description=words, completed=done, total=total
        )
