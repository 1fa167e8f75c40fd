"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from styledial.words import say

Adapter = Annotated[Path, typer.Argument(help=say("A run's output_dir.", "训练的 output_dir。"))]
Strength = Annotated[
    float | None,
    typer.Option(
        "--kl_beta",
        "--kl-beta",
        help=say("Strength to dial the adapter to.", "将适配器调到的强度。"),
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


def scale_of(adapter: Path, kl_beta: float | None) -> float:
    """The scale at which the adapter has the strength asked for; 1 where none is."""
    from styledial.dial import load_dial, scale_for

    return 1.0 if kl_beta is None else scale_for(load_dial(adapter), kl_beta)


def refresh(adapter: Path) -> None:
    """The run's report, if it has one, with what a command has just measured."""
    from styledial.report import refresh_report

    refresh_report(adapter, lambda en, zh: typer.echo(say(en, zh), err=True))
