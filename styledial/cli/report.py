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

    read_run(run)
    with working(say(f"report of {run}", f"{run} 的报告")):
        from styledial.report import write_report

        written = write_report(run, output)
    typer.echo(say(f"Report (open it in a browser): {written}", f"报告（用浏览器打开）：{written}"))
