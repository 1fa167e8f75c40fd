"""`styledial download` (and scripts/download_model.py): a model into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from styledial.cli.opening import working
from styledial.cli.options import as_model_name
from styledial.cli.outputs import new_folder
from styledial.commands import command, next_lines
from styledial.config.as_written import chosen
from styledial.errors import UserError
from styledial.language import say
from styledial.models.registry import on_hugging_face, on_modelscope
from styledial.units import disk_size

HELP = say(
    "Download a model. If interrupted, run the same command again to resume.",
    "下载模型；中断后重新运行同一命令即可续传。",
)
Name = Annotated[
    str,
    typer.Option(
        "--model",
        callback=as_model_name,
        help=say("For example Qwen/Qwen2.5-7B.", "例如 Qwen/Qwen2.5-7B。"),
    ),
]
UseMirror = Annotated[
    bool,
    typer.Option(
        "--use-mirror", help=say("Download from hf-mirror.com.", "从 hf-mirror.com 下载。")
    ),
]
Source = Annotated[
    str,
    typer.Option(
        help=say(
            "Where to download from: huggingface or modelscope.",
            "下载来源：huggingface 或 modelscope。",
        )
    ),
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        help=say(
            "Address of another mirror (or HF_ENDPOINT).", "其他镜像的地址（或用 HF_ENDPOINT）。"
        )
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        help=say(
            "Access token for gated models (or HF_TOKEN).",
            "访问需授权模型的令牌（或用 HF_TOKEN）。",
        )
    ),
]
Revision = Annotated[
    str | None, typer.Option(help=say("Branch, tag or commit.", "分支、标签或提交。"))
]
To = Annotated[
    Path | None,
    typer.Option(
        "--to",
        "-o",
        callback=new_folder,
        help=say("Folder to download into.", "下载到的文件夹。"),
    ),
]
WithCode = Annotated[
    bool,
    typer.Option(
        "--with-code", help=say("Also download the model's .py files.", "同时下载 .py 文件。")
    ),
]


def download(
    model: Name,
    use_mirror: UseMirror = False,
    source: Source = "huggingface",
    endpoint: Endpoint = None,
    token: Token = None,
    revision: Revision = None,
    to: To = None,
    with_code: WithCode = False,
) -> None:
    """Download a model into a folder and print the setting that names it."""
    from styledial.hub.download import SOURCES, place
    from styledial.hub.download import download as fetch_model
    from styledial.models.locate import download_folder, split_revision

    where = place(chosen(source, SOURCES), endpoint, use_mirror, token)
    plain, at = split_revision(model)
    if revision and at and revision != at:
        raise UserError(
            f"--revision is {revision}, and --model names {at}; keep one of the two.",
            f"--revision 为 {revision}，而 --model 写的是 {at}；请只保留一个。",
        )
    at = revision or at
    repo = on_modelscope(plain) if where.source == "modelscope" else on_hugging_face(plain)
    folder = (to or download_folder(repo, at)).expanduser()
    with working(say(f"download {repo}", f"下载 {repo}")):
        done = fetch_model(repo, folder, where, revision=at, with_code=with_code)
    size, fresh = disk_size(done.size), disk_size(done.fetched)
    typer.echo(
        say(
            f"{repo}: {done.files} files, {size} ({fresh} downloaded now), checksums verified.",
            f"{repo}：{done.files} 个文件，共 {size}（本次下载 {fresh}），校验通过。",
        )
    )
    # In its usual place a download is found by the model's name; elsewhere by the folder's.
    named = f"{plain}@{at}" if at else plain
    name = named if to is None else str(folder)
    typer.echo(f'model_name_or_path: "{name}"')
    advice = [(say("train on it", "用它训练"), command("train", "--model-name", name))]
    for line in next_lines(advice):
        typer.echo(line)
