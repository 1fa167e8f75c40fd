"""`styledial report`: write a run's report.html again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from styledial.cli.opening import working
from styledial.cli.options import Adapter
from styledial.cli.outputs import new_page
from styledial.language import say

HELP = say(
    "Write report.html: all results of a run on one page.",
    "生成 report.html：一页汇总一次训练的全部结果。",
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
                "File to write; report.html in the run's folder by default.",
                "输出文件；默认为训练文件夹中的 report.html。",
            ),
        ),
    ] = None,
) -> None:
    """Write report.html and print where."""
    from styledial.run_folder.reader import read_run

    damaged = read_run(run).damaged
    with working(say(f"report of {run}", f"{run} 的报告")):
        from styledial.report import write_report

        written = write_report(run, output)
    for problem in damaged:
        typer.echo(
            say(
                f"Warning: {run}/{problem}. The report is without it; restore the file and write "
                "the report again.",
                f"警告：{run}/{problem}。报告中没有这部分内容；请恢复该文件后重新生成报告。",
            ),
            err=True,
        )
    typer.echo(say(f"Report (open it in a browser): {written}", f"报告（用浏览器打开）：{written}"))
