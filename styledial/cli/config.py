"""`styledial config`: see, check and write configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from styledial.cli.outputs import new_file
from styledial.config import resolve
from styledial.config.show import config_lines, schema_json, template
from styledial.errors import UserError
from styledial.files import write_text
from styledial.language import say
from styledial.run_folder import layout

app = typer.Typer(
    help=say("See, check and write configurations.", "查看、检查、生成配置。"),
    no_args_is_help=True,
)


@app.command(help=say("Show every setting and where it came from.", "显示每个设置及其来源。"))
def show(
    config: Annotated[Path | None, typer.Argument()] = None,
    settings: Annotated[list[str] | None, typer.Argument(metavar="[section.key=value]...")] = None,
    preset: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Print every setting of a configuration with its source."""
    given = list(settings or [])
    if config is not None and "=" in str(config) and not config.exists():
        given, config = [str(config), *given], None
    typer.echo("\n".join(config_lines(resolve(config, preset, {}, given))))


@app.command(help=say("Write a configuration with every key explained.", "生成带注释的配置文件。"))
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


@app.command(help=say("Print the JSON schema for editors.", "输出供编辑器使用的 JSON schema。"))
def schema() -> None:
    """Print the JSON schema."""
    typer.echo(schema_json(), nl=False)
