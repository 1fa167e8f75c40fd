"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from styledial.config import PRESETS, Config, resolve
from styledial.config.as_written import model_name
from styledial.language import say
from styledial.run_folder import layout

Settings = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[section.key=value]...",
        help=say("Settings that override the file.", "优先于配置文件的设置。"),
    ),
]
ConfigFile = Annotated[Path | None, typer.Option(help=say("Configuration file.", "配置文件。"))]
Preset = Annotated[
    str | None,
    typer.Option(help=say("A ready-made configuration: ", "预设：") + ", ".join(PRESETS)),
]

Adapter = Annotated[Path, typer.Argument(help=say("A run's output_dir.", "训练的 output_dir。"))]
Strength = Annotated[
    float | None,
    typer.Option(
        "--kl_beta",
        "--kl-beta",
        help=say(
            "Strength to scale the adapter to, as a KL in nats per token.",
            "将适配器调到的强度，即 KL（nats/token）。",
        ),
    ),
]


def as_model_name(value: str | None) -> str | None:
    """For typer's callback: the page of a model on a hub as the model's name."""
    return None if value is None else model_name(value)


BaseNow = Annotated[
    str | None,
    typer.Option(
        "--base",
        callback=as_model_name,
        help=say(
            "The base model, if it has moved since training.",
            "基座模型现在的位置（训练后移动过时填写）。",
        ),
    ),
]
TrustCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help=say(
            "Run the base's own Python code, for an adapter whose run doesn't say so.",
            "执行基座自带的 Python 代码（训练记录中没有注明时使用）。",
        ),
    ),
]
DataDir = Annotated[
    str | None,
    typer.Option(
        help=say(
            "Folder of the novels, if it has moved since training.",
            "小说文件夹现在的位置（训练后移动过时填写）。",
        )
    ),
]


def configuration(
    config: Path | None,
    preset: str | None,
    settings: list[str] | None,
    given: Mapping[str, str | None] | None = None,
) -> Config:
    """The resolved configuration, its notes printed: train_config.yaml where neither a file nor
    a preset is named. `given` are the settings that have an option of their own."""
    if config is None and preset is None and Path(layout.SETTINGS).is_file():
        config = Path(layout.SETTINGS)
    resolved = resolve(config, preset, given or {}, settings or [])
    for note in resolved.notes:
        typer.echo(note, err=True)
    return resolved


def trusting(asked: bool) -> dict[str, bool]:
    """Options of `load_base` for --trust-remote-code; without it, as the run was."""
    return {"trust_remote_code": True} if asked else {}


def scale_of(adapter: Path, kl_beta: float | None) -> float:
    """The scale at which the adapter has the strength asked for; 1 where none is."""
    from styledial.dial import load_dial, scale_for

    return 1.0 if kl_beta is None else scale_for(load_dial(adapter), kl_beta)


def refresh(adapter: Path) -> None:
    """The run's report, if it has one, with what a command has just measured."""
    from styledial.report import refresh_report

    refresh_report(adapter, lambda en, zh: typer.echo(say(en, zh), err=True))
