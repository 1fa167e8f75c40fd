"""`styledial dial`: measure an adapter's strength at every scale, and export some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from styledial.cli.options import Adapter, BaseNow, DataDir, refresh
from styledial.cli.progress import progress
from styledial.config.as_written import listed
from styledial.language import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from styledial.dial import DialPoint

HELP = say(
    "Measure how strong an adapter is at every scale, and export chosen strengths.",
    "测量适配器在各个缩放下的强度，并导出选定强度。",
)


def dial(
    adapter: Adapter,
    export: Annotated[
        str | None,
        typer.Option(
            help=say(
                "Write ordinary adapters of these strengths: light,medium,strong or numbers.",
                "导出这些强度的普通适配器：light,medium,strong 或数字。",
            )
        ),
    ] = None,
    data_dir: DataDir = None,
    base: BaseNow = None,
    remeasure: Annotated[
        bool, typer.Option("--remeasure", help=say("Measure again.", "重新测量。"))
    ] = False,
) -> None:
    """Measure strength against scale, print it, and export the strengths asked for."""
    from styledial.dial import FILE, load_dial, strengths

    wanted = strengths(",".join(listed(export)).lower()) if export else {}
    if remeasure or not (adapter / FILE).is_file():
        from styledial.evaluation.suite import other_text
        from styledial.run.finished import measure_dial

        with progress() as tick:
            changed = measure_dial(adapter, data_dir, tick, base_now=base)
        if changed:
            typer.echo(say(*other_text(changed)), err=True)
        refresh(adapter)
    points = load_dial(adapter)
    _show(points)
    if wanted:
        from styledial.run.finished import export_strengths

        for folder in export_strengths(adapter, points, wanted, base_now=base):
            typer.echo(str(folder))


def _show(points: Sequence[DialPoint]) -> None:
    from rich.bar import Bar
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for title in (
        say("scale", "缩放"),
        "KL",
        say("style NLL", "风格 NLL"),
        say("general NLL", "通用 NLL"),
    ):
        table.add_column(title, justify="right")
    table.add_column("KL", min_width=24)
    highest = max(point.kl for point in points)
    for point in points:
        table.add_row(
            f"{point.scale:g}",
            f"{point.kl:.4f}",
            f"{point.style_nll:.3f}",
            f"{point.general_nll:.3f}",
            Bar(size=highest, begin=0, end=point.kl, width=24),
        )
    Console().print(table)
