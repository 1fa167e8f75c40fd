"""`styledial download` (and scripts/download_model.py): a model into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from styledial.cli.opening import working
from styledial.commands import command, next_lines
from styledial.language import say
from styledial.models.registry import on_hugging_face, on_modelscope
from styledial.units import disk_size

HELP = say(
    "Download a model. Interrupted, the same command goes on where it stopped.",
    "下载模型；中断后重新运行同一命令即可续传。",
)
Name = Annotated[
    str,
    typer.Option("--model", help=say("For example Qwen/Qwen2.5-7B.", "例如 Qwen/Qwen2.5-7B。")),
]


def download(
    model: Name,
    use_mirror: Annotated[
        bool,
        typer.Option("--use-mirror", help=say("From hf-mirror.com.", "从 hf-mirror.com 下载。")),
    ] = False,
    source: Annotated[
        str, typer.Option(help=say("huggingface or modelscope.", "huggingface 或 modelscope。"))
    ] = "huggingface",
    endpoint: Annotated[
        str | None,
        typer.Option(
            help=say("Another mirror (also HF_ENDPOINT).", "其他镜像（或用 HF_ENDPOINT）。")
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            help=say("For gated models (also HF_TOKEN).", "需授权模型的令牌（或用 HF_TOKEN）。")
        ),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help=say("Branch, tag or commit.", "分支、标签或提交。"))
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", "-o", help=say("Folder to download into.", "下载到的文件夹。")),
    ] = None,
    with_code: Annotated[
        bool,
        typer.Option("--with-code", help=say("Also the model's .py files.", "同时下载 .py 文件。")),
    ] = False,
) -> None:
    from styledial.hub.download import download as fetch_model
    from styledial.hub.download import place
    from styledial.models.locate import download_folder, split_revision

    where = place(source, endpoint, use_mirror, token)
    plain, at = split_revision(model)
    repo = on_modelscope(plain) if where.source == "modelscope" else on_hugging_face(plain)
    folder = (to or download_folder(repo, at)).expanduser()
    with working(say(f"download {repo}", f"下载 {repo}")):
        done = fetch_model(repo, folder, where, revision=revision or at, with_code=with_code)
    size, fresh = disk_size(done.size), disk_size(done.fetched)
    typer.echo(
        say(
            f"{repo}: {done.files} files, {size} ({fresh} fetched now), checked.",
            f"{repo}：{done.files} 个文件，共 {size}（本次下载 {fresh}），校验通过。",
        )
    )
    # In its usual place a download is found by the model's name; elsewhere by the folder's.
    name = model if to is None else str(folder)
    typer.echo(f'model_name_or_path: "{name}"')
    advice = [(say("train on it", "用它训练"), command("train", "--model-name", name))]
    for line in next_lines(advice):
        typer.echo(line)
