"""`styledial evaluate`: metrics of an adapter, with confidence intervals."""

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
    "评估适配器的风格、遗忘、流畅度与照抄，结果写入 evaluation.json。",
)


Against = Annotated[
    str,
    typer.Option(
        help=say(
            "What to compare with: `base`, or the folder of another adapter.",
            "对比对象：base，或另一个适配器的文件夹。",
        )
    ),
]
PassageCount = Annotated[
    int,
    typer.Option(
        "--passages",
        min=10,
        help=say("Passages generated with each model.", "每个模型生成的段落数。"),
    ),
]
MaxNewTokens = Annotated[
    int,
    typer.Option(
        "--max-new-tokens",
        min=16,
        help=say(
            "Tokens per passage, at most what data.max_length allows.",
            "每段的 token 数，不超过 data.max_length 允许的长度。",
        ),
    ),
]
Seed = Annotated[int, typer.Option(min=0)]
BenchTasks = Annotated[
    str | None,
    typer.Option(
        help=say(
            "Tasks of lm-evaluation-harness to run with base and tuned model: "
            "cmmlu,ceval-valid,mmlu or single subjects (extra `bench`).",
            "要运行的 lm-evaluation-harness 任务（基座与微调模型各一次）："
            "cmmlu,ceval-valid,mmlu 或单个科目（需安装 bench 附加包）。",
        )
    ),
]
BenchLimit = Annotated[
    int | None,
    typer.Option("--bench-limit", min=1, help=say("Questions per task.", "每个任务的题数。")),
]
BenchFolder = Annotated[
    Path | None,
    typer.Option(
        "--bench-tasks",
        help=say("Folder with your own tasks (YAML).", "自备任务（YAML）所在的文件夹。"),
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help=say("Print JSON.", "输出 JSON。"))]


def evaluate(
    adapter: Adapter,
    against: Against = "base",
    kl_beta: Strength = None,
    data_dir: DataDir = None,
    base: BaseNow = None,
    passages: PassageCount = 192,
    max_new_tokens: MaxNewTokens = 128,
    seed: Seed = 42,
    bench: BenchTasks = None,
    bench_limit: BenchLimit = None,
    bench_tasks: BenchFolder = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a finished run. At another `kl_beta` than the saved one the result is only shown."""
    from styledial.evaluation.bench import require_harness
    from styledial.evaluation.suite import FULL, save_evaluation
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
    # Claimed before measuring, which takes long, so that a conflict is reported at the start.
    claim = writing(adapter) if kl_beta is None else nullcontext()
    with claim, progress() as tick:
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
    if kl_beta is None:  # evaluation.json describes the adapter as it was saved
        save_evaluation(adapter, found)
        refresh(adapter)
    _print(found, as_json)


def _print(found: Evaluation, as_json: bool) -> None:
    from styledial.evaluation.suite import warnings

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
    # Names must not be truncated, or they look alike; units may wrap instead.
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
