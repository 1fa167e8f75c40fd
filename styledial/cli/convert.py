"""`styledial convert`: a ChatGLM3 to and from its authors' layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from styledial.cli.outputs import new_folder
from styledial.errors import ModelError
from styledial.language import say
from styledial.run_folder.layout import ADAPTER_SETTINGS

HELP = say(
    "Convert a ChatGLM3 folder for transformers without remote code; or, given an adapter of "
    "one, map the adapter back to the original layout.",
    "把 ChatGLM3 文件夹转换为 transformers 可直接加载的格式（无需远程代码）；"
    "若给出其适配器，则映射回原始格式。",
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
    if (folder / ADAPTER_SETTINGS).is_file():
        from styledial.models.chatglm.adapter import adapter_to_original

        typer.echo(str(adapter_to_original(folder, output)))
        return
    from styledial.models.chatglm.layout import is_original
    from styledial.models.inspect import read_config

    if not is_original(read_config(folder)):
        raise ModelError(
            f"{folder}: is not a ChatGLM in its authors' layout; other models need no conversion.",
            f"{folder}：不是原始格式的 ChatGLM；其他模型无需转换。",
        )
    from styledial.models.chatglm.convert import convert as convert_folder

    typer.echo(str(convert_folder(folder, output, lambda line: typer.echo(line, err=True))))
