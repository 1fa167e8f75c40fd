"""Arguments and options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from styledial.config import PRESETS, Config, resolve
from styledial.config.as_written import model_name
from styledial.errors import UserError
from styledial.language import say
from styledial.run_folder import layout
from styledial.strength import Strength, parse_strength

Settings = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="section.key=value",
        help=say("Settings that override the file.", "优先于配置文件的设置。"),
    ),
]
ConfigFile = Annotated[Path | None, typer.Option(help=say("Configuration file.", "配置文件。"))]
Preset = Annotated[
    str | None,
    typer.Option(help=say("A ready-made configuration: ", "预设：") + ", ".join(PRESETS)),
]

Adapter = Annotated[
    Path,
    typer.Argument(
        help=say("Folder of a run (its output_dir).", "训练结果的文件夹（output_dir）。")
    ),
]
# A run, an adapter, a merged model or a base: whatever writes.
Writer = Annotated[
    str,
    typer.Argument(
        metavar="model",
        help=say(
            "A run, an adapter, or a model's folder or name.",
            "训练结果、适配器，或模型的文件夹、名称。",
        ),
    ),
]
STRENGTHS = "light|medium|strong|max|0.08"


def _strength(words: str) -> Any:
    return typer.Option(
        "--strength",
        "--kl_beta",
        "--kl-beta",
        metavar=say(STRENGTHS, "轻微|中等|强烈|max|0.08"),
        help=words,
    )


StrengthOption = Annotated[str | None, _strength(say("Strength of the style.", "风格强度。"))]
StrengthOrBase = Annotated[
    str | None, _strength(say("Strength of the style; 0: the base.", "风格强度；0 为基座。"))
]


_FILES = (".yaml", ".yml", ".json")  # endings of a configuration file among the settings
MOST_SEED = 2**31 - 1  # as of training.seed; torch takes no more than 64 bits


def finite(param: typer.CallbackParam, value: float) -> float:
    """For typer's callback: refuses infinity, which a lower limit lets through."""
    if not math.isfinite(value):
        name = param.opts[0]
        raise UserError(
            f"{name} {value}: has to be a finite number, such as 0.8.",
            f"{name} {value}：应为有限的数，例如 0.8。",
        )
    return value


NewTokens = Annotated[
    int,
    typer.Option(
        "--max-new-tokens", min=1, help=say("Tokens to write at most.", "最多续写的 token 数。")
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        min=0,
        max=MOST_SEED,
        help=say(
            "Random seed: the same seed gives the same text.", "随机种子；相同种子写出相同文字。"
        ),
    ),
]
Temperature = Annotated[
    float,
    typer.Option(
        min=0.0,
        callback=finite,
        help=say("Sampling temperature; 0 is greedy decoding.", "采样温度；0 为贪心解码。"),
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
Plain = Annotated[
    bool,
    typer.Option(
        "--plain",
        help=say(
            "Continue the text itself, also with an instruct base.",
            "按原文续写，即使基座是对话模型。",
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
    a preset is named. `given` are the settings that have an option of their own. A file among the
    settings is the configuration file, as in `train my.yaml`. Raises UserError for several."""
    files = [word for word in settings or [] if Path(word).suffix in _FILES and "=" not in word]
    rest = [word for word in settings or [] if word not in files]
    named = [*([config] if config else []), *map(Path, files)]
    if len(named) > 1:
        raise UserError(
            f"{', '.join(map(str, named))}: name one configuration file.",
            f"{'、'.join(map(str, named))}：请只写一个配置文件。",
        )
    config = named[0] if named else None
    resolved = resolve(file_in_force(config, preset), preset, given or {}, rest)
    for note in resolved.notes:
        typer.echo(note, err=True)
    return resolved


def trusting(asked: bool) -> dict[str, bool]:
    """Options of `load_base` for --trust-remote-code; without it, as the run was."""
    return {"trust_remote_code": True} if asked else {}


def file_in_force(config: Path | None, preset: str | None) -> Path | None:
    """The configuration file that counts: train_config.yaml of this folder where none is named."""
    beside = Path(layout.SETTINGS)
    return beside if config is None and preset is None and beside.is_file() else config


def asked_strength(typed: str | None, *, base: bool = False) -> Strength | None:
    """What --strength says, 0 too where the `base` is a choice; raises UserError."""
    return None if typed is None else parse_strength(typed, base=base)


def refresh(adapter: Path) -> None:
    """The run's report, if it has one, with what a command has just measured."""
    from styledial.report import refresh_report

    refresh_report(adapter, lambda en, zh: typer.echo(say(en, zh), err=True))
