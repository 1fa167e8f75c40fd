"""`styledial convert`: a ChatGLM3 to and from its authors' layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from styledial import progress
from styledial.cli.opening import working
from styledial.cli.outputs import new_folder
from styledial.commands import command, next_lines
from styledial.errors import ModelError
from styledial.language import say

HELP = say(
    "Convert a ChatGLM3 folder, or map an adapter of one back.",
    "转换 ChatGLM3 文件夹，无需远程代码即可加载；或把适配器转回原格式。",
)


def convert(
    folder: Annotated[
        Path, typer.Argument(help=say("A ChatGLM3, or an adapter of one.", "ChatGLM3 或其适配器。"))
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", callback=new_folder, help=say("The new folder.", "新文件夹。")
        ),
    ],
) -> None:
    """Convert a ChatGLM3, or map an adapter of one back. Raises ModelError for other models."""
    with working(say(f"convert {folder}", f"转换 {folder}")):
        written = _convert(folder, output)
    typer.echo(say(f"Converted: {written}", f"已转换：{written}"))
    if not (written / "adapter_config.json").is_file():
        advice = [
            (say("train on it", "用它训练"), command("train", "--model-name", written)),
        ]
        for line in next_lines(advice):
            typer.echo(line)


def _convert(folder: Path, output: Path) -> Path:
    if (folder / "adapter_config.json").is_file():
        from styledial.models.chatglm.adapter import adapter_to_original

        return adapter_to_original(folder, output)
    from styledial.models.chatglm.layout import is_original
    from styledial.models.inspect import read_config

    if not is_original(read_config(folder)):
        raise ModelError(
            f"{folder}: is not a ChatGLM in its authors' layout; other models need no conversion.",
            f"{folder}：不是原始格式的 ChatGLM；其他模型无需转换。",
        )
    from styledial.models.chatglm.convert import convert as convert_folder

    return convert_folder(folder, output, progress.line)
