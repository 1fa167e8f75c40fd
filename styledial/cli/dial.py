"""`styledial dial`: measure an adapter's strength at every scale, and export some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from styledial import progress
from styledial.cli.opening import importing, working
from styledial.cli.options import STRENGTHS, Adapter, DataDir, as_model_name, refresh
from styledial.cli.outputs import at_home_folder
from styledial.commands import command, next_lines
from styledial.errors import UserError
from styledial.language import say
from styledial.strength import Strength, name_of, parse_strengths
from styledial.units import strength as figure

if TYPE_CHECKING:
    from styledial.dial import DialPoint
    from styledial.run.strengths import Chosen

BaseOrSibling = Annotated[
    str | None,
    typer.Option(
        "--base",
        callback=as_model_name,
        help=say(
            "The base model, if it has moved; or another model of its shape, such as its instruct "
            "model, to take the adapter over to.",
            "基座模型现在的位置（移动过时填写）；或结构相同的另一个模型（如其 Instruct 版），"
            "把适配器用到该模型上。",
        ),
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        callback=at_home_folder,
        help=say(
            "With another model as --base: the new folder; left out: ADAPTER-on-MODEL.",
            "--base 为另一个模型时的新文件夹；不写则为 适配器-on-模型。",
        ),
    ),
]
HELP = say(
    "Measure how strong an adapter is, and export chosen strengths.",
    "测量适配器在各个缩放下的强度，并导出选定强度。",
)


def dial(
    adapter: Adapter,
    export: Annotated[
        str | None,
        typer.Option(
            "--export",
            "--strength",
            metavar=say(STRENGTHS, "轻微|中等|强烈|max|0.08"),
            help=say(
                "Write ordinary adapters of these strengths, several with commas.",
                "导出这些强度的普通适配器，多个用逗号隔开。",
            ),
        ),
    ] = None,
    data_dir: DataDir = None,
    base: BaseOrSibling = None,
    output: Output = None,
    remeasure: Annotated[
        bool, typer.Option("--remeasure", help=say("Measure again.", "重新测量。"))
    ] = False,
) -> None:
    """Measure strength against scale, print it, and export the strengths asked for."""
    from styledial.dial import FILE, load_dial
    from styledial.run_folder.described import describe_adapter

    wanted = parse_strengths(export) if export is not None else []
    describe_adapter(adapter)
    with working(say(f"dial of {adapter}", f"{adapter} 的强度")):
        if base is not None and (there := _of_another(adapter, base, output, data_dir)):
            adapter, base = there, None
        elif output is not None:
            raise UserError(
                "-o: is for taking the adapter over to another model (--base); exported strengths "
                "lie in the run's folder, under export. Leave -o out.",
                "-o：仅用于把适配器用到另一个模型上（--base）；导出的强度在训练文件夹的 export 下。"
                "请去掉 -o。",
            )
        if remeasure or not (adapter / FILE).is_file():
            _measure(adapter, data_dir, base)
        points = load_dial(adapter)
        reached = _within_reach(adapter, points, wanted)
        with progress.paused():
            _show(points)
            for line in _on_own_base(adapter, points):
                typer.echo(line)
        if wanted:
            _export(adapter, points, wanted, reached, base)
    for line in _next(adapter, points, list(reached)):
        typer.echo(line)


def _of_another(adapter: Path, base: str, output: Path | None, data_dir: str | None) -> Path | None:
    """The folder of the adapter on the model `base`, written unless it is there; None where `base`
    is the adapter's own."""
    with importing():
        from styledial.run.sibling import beside, is_other_base, take_over, was_taken_over
    from styledial.evaluation.record import other_text

    target = output or beside(adapter, base)
    if not is_other_base(adapter, base, target, data_dir):
        return None
    if was_taken_over(adapter, base, target):
        return target
    if changed := take_over(adapter, base, target, data_dir):
        typer.echo(say(*other_text(changed)), err=True)
    progress.line(
        say(
            f"{base} is not the base of {adapter}, but has its shape: the adapter was taken over "
            f"to it, in {target}, and its strength measured there. {adapter} stays as it is.",
            f"{base} 不是 {adapter} 的基座，但结构相同：已将适配器用到该模型上（{target}），"
            f"并测量了强度。{adapter} 未改动。",
        )
    )
    return target


def _measure(adapter: Path, data_dir: str | None, base: str | None) -> None:
    with importing():
        from styledial.run.described import described_run

        described_run(adapter, data_dir)
        from styledial.evaluation.record import other_text
        from styledial.run.finished import measure_dial

    changed = measure_dial(adapter, data_dir, base_now=base)
    if changed:
        typer.echo(say(*other_text(changed)), err=True)
    refresh(adapter)


def _within_reach(
    adapter: Path, points: Sequence[DialPoint], wanted: Sequence[Strength]
) -> dict[str, Chosen]:
    """By folder name, those that the adapter reaches; raises UserError where none is."""
    from styledial.run.strengths import at_strength, out_of_reach

    found = {each.folder: at_strength(points, each) for each in wanted}
    reached = {name: chosen for name, chosen in found.items() if chosen}
    if wanted and not reached:
        raise out_of_reach(adapter, points, wanted)
    return reached


def _show(points: Sequence[DialPoint]) -> None:
    from rich.bar import Bar
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column(say("scale", "缩放"), justify="right")
    table.add_column(say("strength", "强度"))
    table.add_column("KL", justify="right")
    table.add_column("", min_width=16)
    table.add_column(say("loss, novels", "小说损失"), justify="right")
    table.add_column(say("loss, general", "通用损失"), justify="right")
    highest = max(point.kl for point in points)
    for point in points:
        table.add_row(
            f"{point.scale:g}",
            name_of(point.kl),
            figure(point.kl),
            Bar(size=highest, begin=0, end=point.kl, width=16),
            f"{point.style_nll:.3f}",
            f"{point.general_nll:.3f}",
        )
    Console().print(table)


def _on_own_base(adapter: Path, points: Sequence[DialPoint]) -> Iterator[str]:
    """Of an adapter that was taken over from another base: its strength on both."""
    from styledial.run_folder.described import summary_of

    origin = summary_of(adapter).get("taken_from")
    whole = next((point.kl for point in points if point.scale == 1.0), None)
    if origin and origin.get("kl_final") is not None and whole is not None:
        own, here = figure(origin["kl_final"]), figure(whole)
        yield say(
            f"The whole adapter (scale 1) has KL {here} here; on its own base it has {own}.",
            f"完整适配器（缩放 1）在此处的 KL 为 {here}；在原来的基座上为 {own}。",
        )


def _export(
    adapter: Path,
    points: Sequence[DialPoint],
    wanted: Sequence[Strength],
    reached: dict[str, Chosen],
    base: str | None,
) -> None:
    """Write what is within reach; say of the rest why not, and how to get further."""
    with importing():
        from styledial.run.finished import export_strengths
    from styledial.run.strengths import out_of_reach

    written = export_strengths(adapter, reached, base_now=base)
    with progress.paused():
        for folder in written:
            typer.echo(f"{folder}  {reached[folder.name].words()}")
    if missed := [each for each in wanted if each.folder not in reached]:
        progress.line(str(out_of_reach(adapter, points, missed)))


def _next(adapter: Path, points: Sequence[DialPoint], exported: Sequence[str]) -> Iterator[str]:
    from styledial.dial import strongest
    from styledial.files import beside
    from styledial.models.merge import merges_into_its_base
    from styledial.run.strengths import within
    from styledial.run_folder.described import prompt_of

    if exported:
        folder = adapter / "export" / exported[0]
        prompt = prompt_of(adapter)
        advice = [
            (
                say("write with one of them", "用其中一个续写"),
                command("generate", folder, "--prompt", prompt),
            )
        ]
        if merges_into_its_base(folder):
            target = beside(adapter, f"{exported[0]}-merged")
            plain = say("one plain model of it", "合并为完整模型")
            advice.append((plain, command("merge", folder, "-o", target)))
        yield from next_lines(advice)
        return
    names = within(strongest(points).kl)
    yield from next_lines(
        [
            (
                say("adapters of other strengths", "导出其他强度"),
                command("dial", adapter, "--export", ",".join(names)),
            )
        ]
    )
