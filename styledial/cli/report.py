"""`styledial report`: write a run's report.html again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from styledial.cli.options import Adapter
from styledial.cli.outputs import new_page
from styledial.language import say

HELP = say(
    "Write report.html: one page with everything a run left.",
    "生成 report.html：一页看全一次训练的结果。",
)


def report(
    run: Adapter,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            callback=new_page,
            help=say(
                "Where to; report.html in the run's folder if not said.",
                "输出位置；不写则为训练文件夹中的 report.html。",
            ),
        ),
    ] = None,
) -> None:
    from styledial.report import write_report

    typer.echo(str(write_report(run, output)))
