"""`styledial download` (and scripts/download_model.py): a model into a folder."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from styledial.cli.options import as_model_name
from styledial.cli.outputs import new_folder
from styledial.config.as_written import chosen
from styledial.errors import UserError
from styledial.language import say
from styledial.models.registry import on_hugging_face, on_modelscope
from styledial.units import disk_size

if TYPE_CHECKING:
    from rich.progress import TaskID

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
    show = _Bars() if sys.stderr.isatty() else _Lines()
    with show:
        done = fetch_model(
            repo,
            folder,
            where,
            revision=at,
            with_code=with_code,
            progress=show.grow,
            announce=show.start,
        )
    size, fresh = disk_size(done.size), disk_size(done.fetched)
    typer.echo(
        say(
            f"{repo}: {done.files} files, {size} ({fresh} downloaded now), checksums verified.",
            f"{repo}：{done.files} 个文件，共 {size}（本次下载 {fresh}），校验通过。",
        )
    )
    # In its usual place a download is found by the model's name; elsewhere by the folder's.
    named = f"{plain}@{at}" if at else plain
    typer.echo(f'model_name_or_path: "{named if to is None else folder}"')


class _Lines:
    """For logs: one line a file, when it is whole."""

    def __init__(self) -> None:
        self._done: set[str] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def start(self, path: str, have: int, size: int) -> None:
        if have == size:
            self._done.add(path)

    def grow(self, path: str, have: int, size: int) -> None:
        with self._lock:
            if have < size or path in self._done:
                return
            self._done.add(path)
        print(f"{path}  {disk_size(size)}", file=sys.stderr)


class _Bars:
    """For people: a bar for each file on its way and one for all of them."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}
        self._have: dict[str, int] = {}
        self._all = self._bars.add_task(say("all files", "全部文件"), total=0)

    def __enter__(self) -> _Bars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def start(self, path: str, have: int, size: int) -> None:
        self._have[path] = have
        total = (self._bars.tasks[self._all].total or 0) + size
        self._bars.update(self._all, total=total, completed=sum(self._have.values()))

    def grow(self, path: str, have: int, size: int) -> None:
        if path not in self._tasks:
            self._tasks[path] = self._bars.add_task(path, total=size)
        self._have[path] = have
        self._bars.update(self._tasks[path], completed=have, visible=have < size)
        self._bars.update(self._all, completed=sum(self._have.values()))
