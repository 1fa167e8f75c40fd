"""`styledial plan`: estimate the memory and time of a run before it starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from styledial.cli.options import ConfigFile, Preset, Settings, configuration
from styledial.config import Config
from styledial.errors import UserError
from styledial.language import say

if TYPE_CHECKING:
    from styledial.memory.gpus import Card
    from styledial.memory.plan import Plan

HELP = say(
    "Estimate how much GPU memory a run needs, without a GPU or the weights.",
    "估算一次训练需要多少显存，无需 GPU，也无需下载权重。",
)


Gpu = Annotated[
    str | None, typer.Option(help=say('GPU model, such as "RTX 3060".', "显卡型号，如 RTX 3060。"))
]
Memory = Annotated[
    str | None, typer.Option(help=say("Or GPU memory, such as 24GB.", "或显存大小，如 24GB。"))
]
Processes = Annotated[
    int, typer.Option(min=1, help=say("Number of GPUs to train on.", "训练使用的 GPU 数量。"))
]
Fit = Annotated[
    bool,
    typer.Option(
        "--fit", help=say("Find the closest configuration that fits.", "寻找放得下的最接近的配置。")
    ),
]
Savings = Annotated[
    bool,
    typer.Option(
        "--savings",
        help=say("Show how much memory each change saves.", "列出每项更改能省多少显存。"),
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json", help=say("Print JSON; sizes are in bytes.", "输出 JSON，大小以字节为单位。")
    ),
]


def plan(
    settings: Settings = None,
    config: ConfigFile = None,
    preset: Preset = None,
    gpu: Gpu = None,
    memory: Memory = None,
    processes: Processes = 1,
    fit: Fit = False,
    savings: Savings = False,
    as_json: AsJson = False,
) -> None:
    """Plan the configured run and print the plan, as a table or as JSON."""
    _check_options(gpu, memory, as_json, fit, savings)
    asked = configuration(config, preset, settings)
    from styledial.memory.savings import savings as all_savings
    from styledial.memory.show import savings_table
    from styledial.models.load import quiet_libraries

    quiet_libraries()
    card = _card(gpu, memory)
    if fit and card is None:
        raise UserError(
            "--fit needs to know the GPU: none was found here, so add --gpu or --memory.",
            "--fit 需要知道显卡：本机没有 GPU，请加 --gpu 或 --memory。",
        )
    resolved, found = _planned(asked, card, processes)
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
        return
    _show(asked, resolved, found, card, processes, fit)
    if savings:
        for line in savings_table(found, all_savings(resolved, card=card, processes=processes)):
            typer.echo(line)


def _check_options(
    gpu: str | None, memory: str | None, as_json: bool, fit: bool, savings: bool
) -> None:
    if gpu is not None and memory is not None:
        raise UserError(
            "--gpu and --memory: give only one of them.", "--gpu 与 --memory：请只写一个。"
        )
    if as_json and (fit or savings):
        raise UserError(
            "--json prints only the plan: remove --fit and --savings.",
            "--json 只输出估算本身：请去掉 --fit 和 --savings。",
        )


def _card(gpu: str | None, memory: str | None) -> Card | None:
    """The card that was named, else the one that is here, else None."""
    from styledial.memory import gpus

    if gpu is not None:
        return gpus.card_named(gpu)
    return gpus.memory_card(memory) if memory is not None else gpus.found_card()


def _planned(asked: Config, card: Card | None, processes: int) -> tuple[Config, Plan]:
    """The plan, and the configuration it is of: with `auto`, the largest batch that fits."""
    from styledial.memory import fit as fitting
    from styledial.memory import show
    from styledial.memory.plan import plan as planned

    if asked.training.per_device_train_batch_size != "auto" or card is None:
        return asked, planned(asked, card=card, processes=processes)
    resolved = fitting.of_one_row(asked)
    found = planned(resolved, card=card, processes=processes)
    largest = fitting.largest_batch(asked, card, processes=processes, smallest=found)
    if largest:
        resolved, found = largest.config, largest.plan
    chosen = {n: resolved.value_of(n) for n in (fitting.BATCH, fitting.ACCUMULATION)}
    typer.echo(show.as_settings(chosen), err=True)
    return resolved, found


def _show(
    asked: Config,
    resolved: Config,
    found: Plan,
    card: Card | None,
    processes: int,
    fit: bool,
) -> None:
    from styledial.memory import fit as fitting
    from styledial.memory import show

    for line in show.table(found):
        typer.echo(line)
    if card is not None:
        typer.echo(show.verdict(found, card))
        if fit and not fitting.fits(found, card):
            other = fitting.nearest(asked, found, card, processes=processes)
            typer.echo(say(*show.nearest_words(asked, other)))
    for line in show.pace(resolved, found, card):
        typer.echo(line)
