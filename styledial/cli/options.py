"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from styledial.config import PRESETS, Config, resolve
from styledial.language import say
from styledial.strength import Strength, parse_strength

Settings = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[section.key=value]...",
        help=say("Settings that win over the file.", "优先于配置文件的设置。"),
    ),
]
ConfigFile = Annotated[Path | None, typer.Option(help=say("Configuration file.", "配置文件。"))]
Preset = Annotated[
    str | None,
    typer.Option(help=say("A ready-made configuration: ", "预设：") + ", ".join(PRESETS)),
]

Adapter = Annotated[Path, typer.Argument(help=say("A run's output_dir.", "训练的 output_dir。"))]
STRENGTHS = "light|medium|strong|max|0.08"
StrengthOption = Annotated[
    str | None,
    typer.Option(
        "--strength",
        "--kl_beta",
        "--kl-beta",
        metavar=say(STRENGTHS, "轻微|中等|强烈|max|0.08"),
        help=say("How strong the style is to be.", "风格强度。"),
    ),
]
BaseNow = Annotated[
    str | None,
    typer.Option(
        "--base",
        help=say(
            "The base model, if it is no longer where the run found it.",
            "基座模型，若已不在训练时的位置。",
        ),
    ),
]
DataDir = Annotated[
    str | None,
    typer.Option(
        help=say(
            "The novels, if they are no longer where the run found them.",
            "小说文件夹，若已不在训练时的位置。",
        )
    ),
]


def configuration(
    config: Path | None,
    preset: str | None,
    settings: list[str] | None,
    given: Mapping[str, str | None] | None = None,
) -> Config:
    """What a command is to work with, its notes told: train_config.yaml where neither a file nor
    a preset is named. `given` are the settings that have an option of their own."""
    resolved = resolve(file_in_force(config, preset), preset, given or {}, settings or [])
    for note in resolved.notes:
        typer.echo(note, err=True)
    return resolved


def file_in_force(config: Path | None, preset: str | None) -> Path | None:
    """The configuration file that counts: train_config.yaml of this folder where none is named."""
    beside = Path("train_config.yaml")
    return beside if config is None and preset is None and beside.is_file() else config


def asked_strength(typed: str | None) -> Strength | None:
    """What --strength says; raises UserError."""
    return None if typed is None else parse_strength(typed)


def refresh(adapter: Path) -> None:
    """The run's report, if it has one, with what a command has just measured."""
    from styledial.report import refresh_report

    refresh_report(adapter, lambda en, zh: typer.echo(say(en, zh), err=True))
