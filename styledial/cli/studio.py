"""`styledial studio`: write and train on a page in the browser."""

from __future__ import annotations

import getpass
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from styledial.cli.opening import importing, working
from styledial.errors import UserError
from styledial.files import expanded
from styledial.language import say

HELP = say(
    "Write at any strength and train, on a page in your browser.",
    "在浏览器页面中以任意强度写作、训练。",
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PASSWORD = "STYLEDIAL_PASSWORD"
_SHORTEST = 8
_NOVELS = Path("data/novels")


def studio(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FOLDER",
            help=say(
                "Folders of runs; outputs by default. New runs go into the first.",
                "训练结果所在的文件夹，默认 outputs；新的训练放在第一个。",
            ),
        ),
    ] = None,
    data_dir: Annotated[
        list[Path] | None,
        typer.Option(
            "--data-dir",
            help=say(
                "Folders of novels to train on; data/novels by default.",
                "可用于训练的小说文件夹，默认 data/novels。",
            ),
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help=say("Port of the page; 0: any.", "页面的端口；0 为自动选择。")
        ),
    ] = 7860,
    host: Annotated[
        str,
        typer.Option(
            help=say(
                f"Another address than this machine's own needs a password ({_PASSWORD}).",
                f"监听本机以外的地址须设密码（{_PASSWORD}）。",
            )
        ),
    ] = "127.0.0.1",
) -> None:
    """Serve the page until Ctrl-C."""
    _check_gradio()
    from styledial.studio.places import Places
    from styledial.studio.server import application, listening, private_files, serve

    runs = [_folder(each) for each in folders or [Path("outputs")]]
    novels = [_folder(each) for each in data_dir or [_NOVELS] * _NOVELS.is_dir()]
    password = None if host in _LOOPBACK else _password(host)
    taken = listening("127.0.0.1" if host == "localhost" else host, port)
    with private_files():
        with working(say("studio", "工作室")), importing():
            app = application(Places(runs, novels), password)
        typer.echo(_where(host, taken.getsockname()[1]))
        serve(app, taken)


def _check_gradio() -> None:
    if find_spec("gradio") is None:
        raise UserError(
            "The studio needs Gradio: pip install 'styledial[studio]'",
            "studio 需要 Gradio：pip install 'styledial[studio]'",
        )


def _where(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}"
    return say(
        f"Open {address} in a browser; Ctrl-C ends the studio.",
        f"请在浏览器中打开 {address} ；按 Ctrl-C 结束。",
    )


def _folder(named: Path) -> Path:
    """Absolute; raises UserError for a file, and for a folder that isn't there but by default."""
    folder = expanded(named).absolute()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{named}: is a file; name a folder.", f"{named}：是文件；请写文件夹。")
    if not folder.exists() and named != Path("outputs"):
        raise UserError(
            f"{named}: there is no such folder. Make it first, or name another one.",
            f"{named}：没有这个文件夹。请先建立，或换一个。",
        )
    return folder


def _password(host: str) -> str:
    """From the environment, else asked for in a terminal. Raises UserError without one."""
    found = os.environ.get(_PASSWORD, "")
    if not found and sys.stdin.isatty():
        found = getpass.getpass(say(f"Password for {host}: ", f"{host} 的密码："))
    if len(found) < _SHORTEST:
        raise UserError(
            f"--host {host}: whoever reaches this address could write and train; set a password "
            f"of at least {_SHORTEST} characters in {_PASSWORD}.",
            f"--host {host}：能访问该地址的人都可以写作和训练；请在 {_PASSWORD} 中设置至少 "
            f"{_SHORTEST} 个字符的密码。",
        )
    return found
