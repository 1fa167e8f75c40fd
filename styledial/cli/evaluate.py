"""`styledial evaluate`: what an adapter does, in figures with intervals."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from styledial.cli.options import Adapter, BaseNow, DataDir, Strength, refresh, scale_of
from styledial.cli.progress import progress
from styledial.config.as_written import chosen, listed
from styledial.language import say

if TYPE_CHECKING:
    from styledial.evaluation.suite import Evaluation

HELP = say(
    "Measure style, forgetting, fluency and copying of an adapter, and write evaluation.json.",
    "度量适配器的风格、遗忘、流畅度与照抄，并写出 evaluation.json。",
)


def evaluate(
    adapter: Adapter,
    against: Annotated[
        str,
        typer.Option(
            help=say(
                "`base`, or the folder of another adapter to show beside this one.",
                "base，或另一个适配器的文件夹，并排显示。",
            )
        ),
    ] = "base",
    kl_beta: Strength = None,
    data_dir: DataDir = None,
    base: BaseNow = None,
    passages: Annotated[
        int,
        typer.Option(min=10, help=say("Passages written by each model.", "每个模型续写的段落数。")),
    ] = 192,
    max_new_tokens: Annotated[
        int,
        typer.Option(
            "--max-new-tokens",
            min=16,
            help=say(
                "Tokens of a passage, as far as a row has room.",
                "每段的 token 数，以一行的长度为限。",
            ),
        ),
    ] = 128,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    bench: Annotated[
        str | None,
        typer.Option(
            help=say(
                "Tasks of lm-evaluation-harness, before and after: cmmlu,ceval-valid,mmlu or "
                "single subjects (extra `bench`).",
                "lm-evaluation-harness 的任务，训练前后对比：cmmlu,ceval-valid,mmlu 或单个科目"
                "（需安装 bench 附加包）。",
            )
        ),
    ] = None,
    bench_limit: Annotated[
        int | None,
        typer.Option("--bench-limit", min=1, help=say("Questions of a task.", "每个任务的题数。")),
    ] = None,
    bench_tasks: Annotated[
        Path | None,
        typer.Option(
            "--bench-tasks",
            help=say("A folder with your own tasks (YAML).", "自备任务（YAML）所在的文件夹。"),
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help=say("Print JSON.", "输出 JSON。"))
    ] = False,
) -> None:
    from styledial.evaluation.bench import require_harness
    from styledial.evaluation.suite import FULL, save_evaluation, warnings
    from styledial.run.finished import described_run, evaluate_run
    from styledial.run_folder.claims import writing

    scale = scale_of(adapter, kl_beta)
    other = None if chosen(against, ("base",)) == "base" else Path(against).expanduser()
    tasks = tuple(listed(bench or ""))
    if tasks:
        require_harness()
    effort = replace(
        FULL,
        passages=passages,
        tokens=max_new_tokens,
        bench=tasks,
        bench_limit=bench_limit,
        bench_folder=bench_tasks,
    )
    described_run(adapter, data_dir)
    # Taken from the start: another process isn't found at the end of all the measuring.
    owned = writing(adapter) if kl_beta is None else nullcontext()
    with owned, progress() as tick:
        found = evaluate_run(
            adapter,
            data_dir=data_dir,
            scale=scale,
            against=other,
            effort=effort,
            seed=seed,
            tick=tick,
            base_now=base,
        )
    found.settings.update(effort="full", kl_beta=kl_beta, scale=scale, against=against)
    if kl_beta is None:  # evaluation.json is about the adapter as it lies there
        save_evaluation(adapter, found)
        refresh(adapter)
    if as_json:
        typer.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=2))
    else:
        _show(found)
    for warning in warnings(found):
        typer.echo(say(*warning), err=True)


def _show(found: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    # A name cut short would not be told from its neighbour; units may break instead.
    table.add_column(say("metric", "指标"), min_width=max(map(len, found.metrics)))
    titles = [
        say("value", "数值"),
        say("95 % interval", "95 % 区间"),
        say("base", "基座"),
        say("books", "原著"),
    ]
    for title in titles + ([say("other", "另一个")] if found.against else []):
        table.add_column(title, justify="right")
    table.add_column(say("unit", "单位"))
    for name, result in found.metrics.items():
        low, high = result.ci
        cells = [
            f"{result.value:.4g}",
            f"{low:.4g} - {high:.4g}",
            _number(result.base),
            _number(result.books),
        ]
        if found.against:
            beside = found.against.get(name)
            cells.append(_number(beside.value if beside else None))
        table.add_row(name, *cells, result.unit)
    Console().print(table)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
