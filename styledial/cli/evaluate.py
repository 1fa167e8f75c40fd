"""`styledial evaluate`: metrics of an adapter, with confidence intervals."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from styledial.cli.opening import importing, working
from styledial.cli.options import (
    MOST_SEED,
    Adapter,
    BaseNow,
    DataDir,
    Plain,
    StrengthOption,
    asked_strength,
    refresh,
)
from styledial.commands import command, next_lines
from styledial.config.as_written import chosen, listed
from styledial.errors import UserError
from styledial.language import say

if TYPE_CHECKING:
    from styledial.evaluation.record import Evaluation

HELP = say(
    "Measure style, forgetting, fluency and copying of a run. Writes evaluation.json.",
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
Seed = Annotated[int, typer.Option(min=0, max=MOST_SEED, help=say("Random seed.", "随机种子。"))]
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
Probe = Annotated[
    list[Path] | None,
    typer.Option(
        "--probe",
        metavar="FILE",
        help=say(
            "Books that were not trained on; may be followed by several: measures whether training "
            "made the model recite them.",
            "没有参与训练的书，可接多个文件：测量训练是否让模型更会复述它们。",
        ),
    ),
]
MoreProbes = Annotated[list[Path] | None, typer.Argument(metavar="FILE", hidden=True)]
AsJson = Annotated[bool, typer.Option("--json", help=say("Print JSON.", "输出 JSON。"))]


def evaluate(
    adapter: Adapter,
    more: MoreProbes = None,
    probe: Probe = None,
    against: Against = "base",
    strength: StrengthOption = None,
    data_dir: DataDir = None,
    base: BaseNow = None,
    passages: PassageCount = 192,
    max_new_tokens: MaxNewTokens = 128,
    seed: Seed = 42,
    bench: BenchTasks = None,
    bench_limit: BenchLimit = None,
    bench_tasks: BenchFolder = None,
    as_json: AsJson = False,
    plain: Plain = False,
) -> None:
    """Evaluate a finished run. At another strength than the saved one it is only shown."""
    wanted = asked_strength(strength)
    tasks = tuple(listed(bench or ""))
    probes = _probes(probe, more)
    from styledial.evaluation.harness import require_harness
    from styledial.run.strengths import choose
    from styledial.run_folder.described import describe_adapter

    if tasks:
        require_harness()
    describe_adapter(adapter)
    at = choose(adapter, wanted)
    other = None if chosen(against, ("base",)) == "base" else Path(against).expanduser()
    with working(say(f"evaluate {adapter}", f"评估 {adapter}")):
        with importing():
            from styledial.evaluation.record import save_evaluation
            from styledial.evaluation.suite import FULL
            from styledial.run.finished import evaluate_run
            from styledial.run_folder.claims import writing

        bench_of: Any = {"bench": tasks, "bench_limit": bench_limit, "bench_folder": bench_tasks}
        effort = replace(FULL, passages=passages, tokens=max_new_tokens, **bench_of)
        # Taken from the start: another process isn't found at the end of all the measuring.
        with writing(adapter) if wanted is None else nullcontext():
            found = evaluate_run(
                adapter,
                data_dir=data_dir,
                scale=at.scale,
                against=other,
                effort=effort,
                seed=seed,
                base_now=base,
                probe=probes,
                plain=plain,
            )
        asked = at.kl if wanted else None
        found.settings.update(effort="full", kl_beta=asked, scale=at.scale, against=against)
        if wanted is None:  # evaluation.json is about the adapter as it lies there
            save_evaluation(adapter, found)
            refresh(adapter)
    _tell(found, adapter, as_json=as_json, written=wanted is None)


def _probes(probe: list[Path] | None, more: list[Path] | None) -> list[Path]:
    """`--probe a.txt b.txt`, as a shell makes of *.txt: what follows the first file."""
    if more and not probe:
        raise UserError(
            f"evaluate: {more[0]} was not expected; one run at a time. Another adapter is named by "
            "--against, books to try by --probe.",
            f"evaluate：多出了 {more[0]}；一次只评估一个训练。另一个适配器用 --against，"
            "要测试的书用 --probe。",
        )
    return [*(probe or []), *(more or [])]


def _tell(found: Evaluation, adapter: Path, *, as_json: bool, written: bool) -> None:
    from styledial.evaluation.record import warnings

    if as_json:
        typer.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=2))
    else:
        _show(found)
    for warning in warnings(found):
        typer.echo(say(*warning), err=True)
    if written and not as_json:
        _say_next(adapter)


def _say_next(adapter: Path) -> None:
    from styledial.run_folder.layout import EVALUATION, METRICS

    typer.echo(say(f"Written: {adapter / EVALUATION}", f"已写入：{adapter / EVALUATION}"))
    if not (adapter / METRICS).is_file():  # an adapter on another base, or exported
        return
    advice = [(say("what limits this run", "看看受什么限制"), command("doctor", adapter))]
    for line in next_lines(advice):
        typer.echo(line)


def _show(found: Evaluation) -> None:
    """Name, figure with unit, interval, base, books, and whether it is better than the base's."""
    from rich.console import Console
    from rich.table import Table

    from styledial.evaluation.names import arrow, figure, metric_words, with_unit

    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column(say("metric", "指标"), overflow="fold")
    titles = [
        say("value", "数值"),
        say("95%", "95% 区间"),
        say("base", "基座"),
        say("books", "原著"),
    ]
    for title in titles + ([say("other", "另一个")] if found.against else []):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name, result in found.metrics.items():
        words, better = metric_words(name)
        low, high = (figure(end, result.unit) for end in result.ci)
        cells = [
            with_unit(result.value, result.unit),
            f"{low}–{high}",
            figure(result.base, result.unit),
            figure(result.books, result.unit),
        ]
        if found.against:
            beside = found.against.get(name)
            cells.append(figure(beside.value if beside else None, result.unit))
        table.add_row(words, *cells, arrow(result, better))
    Console().print(table)
    typer.echo(
        say(
            "↑ better than the base, ↓ worse, = no sure difference; 95% intervals.",
            "↑ 优于基座，↓ 不如基座，= 无可靠差异；区间为 95%。",
        )
    )
