"""`styledial`: the commands, and the one place where errors become exit codes."""

from __future__ import annotations

import atexit
import errno
import gc
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from styledial import __version__, progress
from styledial.cli import (
    chat,
    compare,
    config,
    convert,
    defects,
    dial,
    doctor,
    download,
    evaluate,
    export,
    generate,
    merge,
    models,
    plan,
    prepare,
    report,
    serve,
    start,
    studio,
    train,
)
from styledial.cli.streams import show_any_character
from styledial.cli.typer_words import Command, Group, run
from styledial.distributed import ranks
from styledial.errors import StyleDialError
from styledial.language import say

app = typer.Typer(
    name="styledial",
    cls=Group,
    help=say(
        "Teach a language model a writing style, to a strength you choose.",
        "让语言模型学会一种文风，强度由你选择。",
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"styledial {__version__}")
        raise typer.Exit


@app.callback()
def options_of_all(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help=say("Print the version and exit.", "显示版本号并退出。"),
        ),
    ] = False,
) -> None:
    """The options that stand before any command."""


app.command("start", cls=Command, help=start.HELP)(start.start)
app.command("train", cls=Command, help=train.HELP, epilog=train.EPILOG)(train.train)
app.command("plan", cls=Command, help=plan.HELP)(plan.plan)
app.add_typer(config.app, name="config")
app.command("prepare", cls=Command, help=prepare.HELP, epilog=prepare.EPILOG)(prepare.prepare)
app.command("generate", cls=Command, help=generate.HELP)(generate.generate)
app.command("chat", cls=Command, help=chat.HELP)(chat.chat)
app.command("dial", cls=Command, help=dial.HELP)(dial.dial)
app.command("evaluate", cls=Command, help=evaluate.HELP)(evaluate.evaluate)
app.command("doctor", cls=Command, help=doctor.HELP)(doctor.doctor)
app.command("models", cls=Command, help=models.HELP)(models.models)
app.command("download", cls=Command, help=download.HELP)(download.download)
app.command("convert", cls=Command, help=convert.HELP)(convert.convert)
app.command("report", cls=Command, help=report.HELP)(report.report)
app.command("compare", cls=Command, help=compare.HELP)(compare.compare)
app.command("merge", cls=Command, help=merge.HELP)(merge.merge)
app.command("export", cls=Command, help=export.HELP)(export.export)
app.command("serve", cls=Command, help=serve.HELP)(serve.serve)
app.command("studio", cls=Command, help=studio.HELP)(studio.studio)


_OUT_OF_MEMORY = say(
    "The GPU is out of memory. Lower training.per_device_train_batch_size, then data.max_length; "
    "keep training.gradient_checkpointing true; model.load_in_4bit=true saves most.",
    "显存不足。请先调小 training.per_device_train_batch_size，再调小 data.max_length；保持 "
    "training.gradient_checkpointing 为 true；model.load_in_4bit=true 最省显存。",
)


def _unusable() -> str | None:
    """What is wrong with the place or the way that Python was started in."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return say(
            "The folder that this terminal is in has been deleted. Change to another one (cd) and "
            "run the command again.",
            "终端当前所在的文件夹已被删除。请先 cd 到别的文件夹再运行。",
        )
    if sys.flags.optimize > 1:
        return say(
            "Python runs without docstrings (PYTHONOPTIMIZE=2 or -OO), which transformers needs. "
            "Unset PYTHONOPTIMIZE, or leave -OO out, and run the command again.",
            "Python 去掉了文档字符串（PYTHONOPTIMIZE=2 或 -OO），而 transformers 需要它们。"
            "请取消环境变量 PYTHONOPTIMIZE 或去掉 -OO，然后重新运行。",
        )
    return None


def guarded(command: Callable[[], None]) -> None:
    """Run a command; a known error is one message and its exit code, Ctrl-C is 130."""
    show_any_character()
    if problem := _unusable():
        progress.complain(problem)
        raise SystemExit(2)
    if ignored := ranks.forget_left_over():
        shown = " ".join(f"{name}={value}" for name, value in ignored.items())
        print(
            say(
                f"{shown}: left in the environment and ignored; torchrun sets WORLD_SIZE, RANK, "
                "MASTER_ADDR and MASTER_PORT together, the numbers as numbers.",
                f"环境变量中残留的 {shown} 已忽略；torchrun 会一并设置 WORLD_SIZE、RANK、"
                "MASTER_ADDR 和 MASTER_PORT，且数值均为整数。",
            ),
            file=sys.stderr,
        )
    if ranks.place().count > 1:
        from styledial.distributed.torchrun import run_recorded  # imports torch

        command = partial(run_recorded, command)
    try:
        command()
    except StyleDialError as error:
        progress.complain(str(error))
        raise SystemExit(error.exit_code) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            name = f"{str(error.filename)[:60]}..."
            progress.complain(say(f"{name}: is too long for a name.", f"{name}：名称太长。"))
            raise SystemExit(2) from None
        # Named by its class, so that the command line doesn't import torch to ask.
        if type(error).__name__ == "OutOfMemoryError":
            print(_OUT_OF_MEMORY, file=sys.stderr)
            raise SystemExit(2) from None
        if ranks.place().count > 1:
            raise  # torchrun shows the traceback of the rank that failed first
        print(defects.recorded(error), file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print(say("stopped", "已停止"), file=sys.stderr)
        raise SystemExit(130) from None


# Python ends with a last collection, which would walk through all of torch: a second for nothing.
atexit.register(gc.freeze)


def main() -> None:
    """Run the command line and exit."""
    guarded(partial(run, app))


if __name__ == "__main__":
    main()
