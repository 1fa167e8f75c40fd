"""`styledial chat`: write with a model in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from styledial.cli.opening import importing, working
from styledial.cli.options import (
    BaseNow,
    NewTokens,
    Plain,
    Seed,
    StrengthOrBase,
    Temperature,
    Writer,
)
from styledial.cli.streams import printable, typed_text
from styledial.errors import UserError
from styledial.language import say

if TYPE_CHECKING:
    from styledial.inference.session import Session

HELP = say(
    "Write with a model in the terminal. It may be a run, an adapter, a merged model or a base.",
    "在终端中与模型一起写作：训练结果、适配器、合并后的模型或基座。",
)


def chat(
    model: Writer,
    strength: StrengthOrBase = None,
    base: BaseNow = None,
    system: Annotated[str, typer.Option(help=say("System message.", "系统提示。"))] = "",
    max_new_tokens: NewTokens = 300,
    seed: Seed = 42,
    temperature: Temperature = 0.8,
    plain: Plain = False,
) -> None:
    """Read lines until the end of input or /quit; answers are written as they come."""
    with working(say(f"chat with {model}", f"与 {model} 对话")):
        with importing():
            from styledial.inference.model import load
            from styledial.inference.session import (
                QUIT,
                Session,
                as_command,
                help_text,
                strength_line,
            )
            from styledial.inference.strengths import parse_kl

        kl_beta = None if strength is None else parse_kl("--strength", strength)
        loaded = load(model, kl_beta, base=base, answers=False if plain else None)
    session = Session(loaded, max_new_tokens, temperature, seed, system)
    kind = say("answers", "回答") if loaded.is_chat else say("continues your text", "续写你的文字")
    strength_now = strength_line(loaded)
    opening = say(f"{model}: {kind}; {strength_now}", f"{model}：{kind}；{strength_now}")
    typer.echo(opening, err=True)
    typer.echo(help_text(), err=True)
    read = _reader()
    while (line := _next(read)) is not None:
        typed = as_command(line)
        if typed in QUIT:
            return
        _take(session, line, typed)


def _next(read: Callable[[], str]) -> str | None:
    """The next line, what can't be read as text left out with a sentence; None at the end."""
    while True:
        try:
            return typed_text("chat", read())
        except EOFError:
            return None
        except KeyboardInterrupt:
            continue
        except UserError as error:
            typer.echo(str(error), err=True)


def _take(session: Session, line: str, typed: str | None) -> None:
    """One line of the user's, or the command that it is; what is wrong with it is said, and the
    session goes on."""
    try:
        found = session.write(line) if typed is None else session.command(typed)
        if isinstance(found, str):
            typer.echo(found, err=True)
        else:
            _stream(found)
    except UserError as error:
        typer.echo(str(error), err=True)


def _stream(pieces: Iterator[str]) -> None:
    try:
        for piece in pieces:
            sys.stdout.write(printable(piece))
            sys.stdout.flush()
    except KeyboardInterrupt:
        pieces.close()  # type: ignore[attr-defined]
    sys.stdout.write("\n")
    sys.stdout.flush()


def _reader() -> Callable[[], str]:
    """prompt_toolkit's line with history and multi-line paste in a terminal, plain lines else."""
    if not sys.stdin.isatty():
        return _plain_line
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import InMemoryHistory
    except ImportError:
        typer.echo(
            say(
                "For history and pasting several lines: pip install 'styledial[chat]'",
                "如需历史记录和多行粘贴：pip install 'styledial[chat]'",
            ),
            err=True,
        )
        return lambda: input("> ")
    asked: PromptSession[str] = PromptSession(history=InMemoryHistory())
    return lambda: asked.prompt("> ")


def _plain_line() -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")
