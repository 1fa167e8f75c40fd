"""`styledial config`: see, check and write configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from styledial.cli.options import ConfigFile, Preset, Settings, file_in_force
from styledial.cli.outputs import new_file
from styledial.cli.typer_words import Command, Group
from styledial.config import resolve
from styledial.config.show import config_lines, schema_json, template
from styledial.errors import UserError
from styledial.files import write_text
from styledial.language import say
from styledial.run_folder import layout

app = typer.Typer(
    cls=Group,
    help=say("See, check and write configurations.", "查看、检查、生成配置。"),
    no_args_is_help=True,
)


@app.command(
    cls=Command,
    help=say(
        "Show every setting and where it came from. Without a FILE: train_config.yaml here.",
        "显示每个设置及其来源；不写文件则读取当前目录的 train_config.yaml。",
    ),
)
def show(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help=say("Configuration file.", "配置文件。")),
    ] = None,
    settings: Settings = None,
    config: ConfigFile = None,
    preset: Preset = None,
) -> None:
    """Print every setting of a configuration with its source."""
    given = list(settings or [])
    if file is not None and "=" in str(file) and not file.exists():
        given, file = [str(file), *given], None
    if file is not None and config is not None:
        raise UserError(
            f"{file} and --config {config}: name one configuration file.",
            f"{file} 与 --config {config}：请只写一个配置文件。",
        )
    path = file_in_force(file or config, preset)
    typer.echo("\n".join(config_lines(resolve(path, preset, {}, given))))


@app.command(
    cls=Command,
    help=say("Write a configuration with every key explained.", "生成带注释的配置文件。"),
)
def init(
    path: Annotated[Path, typer.Argument(callback=new_file)] = Path(layout.SETTINGS),
) -> None:
    """Write the commented template to `path`. Raises UserError where the file exists."""
    if path.exists():
        raise UserError(
            f"{path}: already exists and was not changed; choose another file name.",
            f"{path}：文件已存在，未改动；请换一个文件名。",
        )
    write_text(path, template())
    typer.echo(str(path))


@app.command(
    cls=Command, help=say("Print the JSON schema for editors.", "输出供编辑器使用的 JSON schema。")
)
def schema() -> None:
    """Print the JSON schema."""
    typer.echo(schema_json(), nl=False)
