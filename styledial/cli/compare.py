"""`styledial compare`: several runs in one table and one figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from styledial.cli.opening import working
from styledial.cli.outputs import new_page
from styledial.language import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from styledial.report.comparison import Compared

HELP = say(
    "Set finished runs side by side, on one page.",
    "并列比较多次训练：写作样例、图表与数字。",
)


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help=say("Folders of the runs (their output_dirs).", "各次训练的文件夹（output_dir）。")
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            callback=new_page,
            help=say("Also write one HTML file.", "同时写出一个 HTML 文件。"),
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help=say("Print JSON instead.", "改为输出 JSON。"))
    ] = False,
) -> None:
    """Print runs side by side; with `output` also as one HTML file."""
    with working(say(f"compare {len(runs)} runs", f"比较 {len(runs)} 次训练")):
        from styledial.report import comparison

        found = comparison.compare(runs)
        if output is not None:
            from styledial.report.comparison_page import write_comparison

            write_comparison(found, output)
    if as_json:
        typer.echo(json.dumps(comparison.as_json(found), ensure_ascii=False, indent=2))
        return
    _show(found)
    if output is not None:
        typer.echo(
            say(f"Comparison (open it in a browser): {output}", f"比较页（用浏览器打开）：{output}")
        )


def _show(runs: Sequence[Compared]) -> None:
    from rich.cells import cell_len
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from styledial.report import comparison
    from styledial.report.frontier import text_figure

    content = comparison.table(runs, "terminal")
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))  # nine columns in 80
    for i, title in enumerate(content.head):
        # Where the terminal is narrow titles break between words, the runs' names anywhere,
        # figures never.
        unbroken = [
            *title.split(),
            *((row[i] for row in content.rows) if i in content.right else ()),
        ]
        widest = max(map(cell_len, unbroken), default=1)
        table.add_column(
            title,
            justify="right" if i in content.right else "left",
            min_width=widest,
            overflow="fold",
        )
    for row in content.rows:
        table.add_row(*map(escape, row))
    console = Console()
    console.print(table)
    for line in comparison.warnings(runs):
        console.print(line)
    placed = [each for each in runs if comparison.point(each) is not None]
    if len(placed) > 1:
        typer.echo("")
        typer.echo(
            say(
                "up: closer to the novels; right: more loss on general text; dots: the frontier",
                "向上：更像原著；向右：通用文本损失增加；点线为前沿",
            )
        )
        for line in text_figure(comparison.points(placed), [c.letter for c in placed]):
            typer.echo(line)
