"""`styledial plan`: estimate the memory and time of a run before it starts."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

from styledial import progress
from styledial.cli.opening import importing, working
from styledial.cli.options import ConfigFile, Preset, Settings, configuration
from styledial.commands import command, next_lines
from styledial.config import Config
from styledial.errors import UserError
from styledial.language import say

if TYPE_CHECKING:
    from styledial.memory.gpus import Card
    from styledial.memory.plan import Plan

HELP = say(
    "Estimate a run's GPU memory, without a GPU or the weights.",
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
    named = _named_card(gpu, memory)
    with working(
        say(
            f"plan for {asked.model.model_name_or_path}",
            f"为 {asked.model.model_name_or_path} 估算",
        )
    ):
        with importing():
            from styledial.build.model import as_its_files
            from styledial.memory.fit import fits
            from styledial.memory.gpus import found_card
            from styledial.memory.savings import savings as all_savings
            from styledial.memory.show import savings_table
            from styledial.models.load import quiet_libraries

            quiet_libraries()
            card = named or found_card()
        if fit and card is None:
            raise UserError(
                "--fit needs a card to fit: there is no GPU here, so add --gpu or --memory.",
                "--fit 需要知道显卡：本机没有 GPU，请加 --gpu 或 --memory。",
            )
        asked = as_its_files(asked)
        resolved, found = _planned(asked, card, processes)
        if as_json:
            with progress.paused():
                typer.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
            return
        lines = _lines(asked, resolved, found, card, processes, fit)
        with progress.paused():
            for line in lines:
                progress.result(line)
        if savings:
            each_saving = all_savings(resolved, card=card, processes=processes)
            for line in savings_table(found, each_saving):
                with progress.paused():
                    typer.echo(line)
    if card is None or fits(found, card):
        words = ["train", *(["--config", str(config)] if config else [])]
        words += [*(["--preset", preset] if preset else []), *(settings or [])]
        for line in next_lines([(say("train with it", "按此训练"), command(*words))]):
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


def _named_card(gpu: str | None, memory: str | None) -> Card | None:
    """The card that was named; None where none was."""
    from styledial.memory import gpus

    if gpu is not None:
        card = gpus.card_named(gpu)
        for other in gpus.other_sizes(card):
            if other.startswith(card.name):  # named without its memory: the usual one
                progress.line(_size_taken(card, other))
        return card
    return gpus.memory_card(memory) if memory is not None else None


def _size_taken(card: Card, other: str) -> str:
    from styledial.units import memory_size

    sold = math.ceil(card.memory / 2**30)
    return say(
        f"{card.name}: assuming the {sold} GB version ({memory_size(card.memory)} usable); for the "
        f'other write --gpu "{other}".',
        f"{card.name}：按 {sold} GB 版本估算（可用 {memory_size(card.memory)}）；另一版本请写 "
        f'--gpu "{other}"。',
    )


def _planned(asked: Config, card: Card | None, processes: int) -> tuple[Config, Plan]:
    """The plan, and the configuration it is of; what was chosen for `auto` is said."""
    from styledial.memory import fit as fitting
    from styledial.memory import show

    resolved, found = fitting.plan_as_trained(asked, card, processes)
    if card is not None and fitting.is_automatic(asked) and fitting.fits(found, card):
        changes = {n: resolved.value_of(n) for n in fitting.CHANGED[:3]}
        typer.echo(
            say(*show.chosen_words(fitting.Fitted(resolved, found, changes), card)), err=True
        )
    return resolved, found


def _lines(
    asked: Config, resolved: Config, found: Plan, card: Card | None, processes: int, fit: bool
) -> list[str]:
    """The plan in words; with `fit` also the nearest that fits, which costs several plans."""
    from styledial.memory import fit as fitting
    from styledial.memory import show

    lines = show.plan_lines(found, card)
    if fit and card is not None and not fitting.fits(found, card):
        least = fitting.with_least_memory(asked)
        with progress.stage(say("looking for what fits", "寻找放得下的配置")):
            other = fitting.nearest(least, found, card, processes=processes)
        lines.append(say(*show.nearest_words(least, other)))
    return [*lines, *show.pace(resolved, found, card)]
