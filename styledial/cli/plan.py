"""`styledial plan`: the memory and the time of a run, before it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from styledial.cli.options import ConfigFile, Preset, Settings, configuration
from styledial.language import say

HELP = say(
    "Tell how much GPU memory a run will need, without GPU or weights.",
    "估算一次训练需要多少显存；无需 GPU 和权重。",
)


def plan(
    settings: Settings = None,
    config: ConfigFile = None,
    preset: Preset = None,
    gpu: Annotated[
        str | None, typer.Option(help=say('A card, such as "RTX 3060".', "显卡，如 RTX 3060。"))
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help=say("Or its memory, such as 24GB.", "或显存，如 24GB。"))
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help=say("GPUs that train together.", "一起训练的 GPU 数。"))
    ] = 1,
    fit: Annotated[
        bool,
        typer.Option(
            "--fit",
            help=say("Look for the nearest that fits.", "寻找最接近且放得下的配置。"),
        ),
    ] = False,
    savings: Annotated[
        bool,
        typer.Option("--savings", help=say("What saves how much.", "各项更改分别省多少。")),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help=say("For programs: bytes.", "供程序读取，单位字节。"))
    ] = False,
) -> None:
    from styledial.errors import UserError

    if gpu is not None and memory is not None:
        raise UserError("--gpu and --memory: give one of them.", "--gpu 与 --memory：请只写一个。")
    if as_json and (fit or savings):
        raise UserError(
            "--json prints the plan alone: leave --fit and --savings out.",
            "--json 只输出估算本身：请去掉 --fit 和 --savings。",
        )
    resolved = configuration(config, preset, settings)
    from styledial.memory import fit as fitting
    from styledial.memory import gpus, show
    from styledial.memory.plan import plan as planned
    from styledial.memory.savings import savings as all_savings
    from styledial.models.load import quiet_libraries

    quiet_libraries()
    card = gpus.found_card()
    if gpu is not None:
        card = gpus.card_named(gpu)
    elif memory is not None:
        card = gpus.memory_card(memory)
    if fit and card is None:
        raise UserError(
            "--fit needs a card to fit: there is no GPU here, so add --gpu or --memory.",
            "--fit 需要知道显卡：本机没有 GPU，请加 --gpu 或 --memory。",
        )
    asked = resolved
    if asked.training.per_device_train_batch_size == "auto" and card is not None:
        resolved = fitting.of_one_row(asked)
        found = planned(resolved, card=card, processes=processes)
        largest = fitting.largest_batch(asked, card, processes=processes, smallest=found)
        if largest:
            resolved, found = largest.config, largest.plan
        chosen = {n: resolved.value_of(n) for n in (fitting.BATCH, fitting.ACCUMULATION)}
        typer.echo(show.as_settings(chosen), err=True)
    else:
        found = planned(resolved, card=card, processes=processes)
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
        return
    for line in show.table(found):
        typer.echo(line)
    if card is not None:
        typer.echo(show.verdict(found, card))
        if fit and not fitting.fits(found, card):
            other = fitting.nearest(asked, found, card, processes=processes)
            typer.echo(say(*show.nearest_words(asked, other)))
    for line in show.pace(resolved, found, card):
        typer.echo(line)
    if savings:
        others = all_savings(resolved, card=card, processes=processes)
        for line in show.savings_table(found, others):
            typer.echo(line)
