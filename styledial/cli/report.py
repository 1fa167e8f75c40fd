"""`styledial report`: write a run's report.html again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from styledial.cli.opening import working
from styledial.cli.options import Adapter
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
            help=say(
                "Where to; report.html in the run's folder if not said.",
                "输出位置；不写则为训练文件夹中的 report.html。",
            ),
        ),
    ] = None,
) -> None:
    from styledial.run_folder.reader import read_run

    read_run(run)
    with working(say(f"report of {run}", f"{run} 的报告")):
        from styledial.report import write_report

        written = write_report(run, output)
    typer.echo(say(f"Report (open it in a browser): {written}", f"报告（用浏览器打开）：{written}"))
