"""Typer's own words in the user's language: headings of --help, and errors of the command line.

Typer has no translations, and its sentences are put together inside it, so they are replaced in
what it gives: phrase by phrase, those that this program can cause.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

from styledial.cli.help_layout import by_columns
from styledial.errors import StyleDialError, UserError
from styledial.files import disk_problem
from styledial.language import language
from styledial.variables import blamed

# Errors of the system for a path that cannot be opened.
_IMPOSSIBLE = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP}

_PHRASES = [
    (r"' / '", " / "),  # '-o' / '--out': the two names of one option
    (r"^Usage: ", "用法："),
    (r"\[OPTIONS\]", "[选项]"),
    (r"COMMAND \[ARGS\]\.\.\.", "命令 [参数]..."),
    (r"^Options:$", "选项："),
    (r"^Arguments:$", "参数："),
    (r"^Commands:$", "命令："),
    (r"Show this message and exit\.", "显示本帮助并退出。"),
    (r"\[required\]", "[必填]"),
    (r"\[default: (.*?)\]", r"[默认：\1]"),
    (r"; x>=([\d.]+)", r"；不小于 \1"),
    (r"\[x>=([\d.]+)\]", r"[不小于 \1]"),
    (r"; ([\d.]+)<=x<=([\d.]+)", r"；\1 到 \2"),
    (r"^Try '(.*)' for help\.$", r"用 `\1` 查看帮助。"),
    (r"Missing argument '(.*?)'\.", r"缺少参数 \1。"),
    (r"Missing option '(.*?)'\.", r"缺少选项 \1。"),
    (r"Missing command\.", "缺少命令。"),
    (r"No such command '(.*?)'\.", r"没有命令 \1。"),
    (r"No such option:? '?(-[^\s']+?)'?\.?(?= |$)", r"没有选项 \1。"),
    (r" Did you mean '?(.*?)'?\?", r"是否想写 \1？"),
    (r"\(Possible options: (.*?)\)", r"（可能想写：\1）"),
    (r"Option '(.*?)' requires an argument\.", r"选项 \1 后面要写值。"),
    (r"Option '(.*?)' does not take a value\.", r"选项 \1 后面不写值。"),
    (r"Got unexpected extra argument(?:s|\(s\))? \((.*?)\)", r"多余的参数：\1"),
    (r"Invalid value for '(.*?)': ", r"\1 的值不对："),
    (r"Input should be a valid integer, unable to parse string as an integer", "应为整数"),
    (r"'(.*?)' is not a valid int(?:eger)?\.?", r"“\1”不是整数"),
    (r"Input should be a valid number, unable to parse string as a number", "应为数字"),
    (r"'(.*?)' is not a valid float\.?", r"“\1”不是数字"),
    (r"Input should be greater than or equal to (\S+)", r"应不小于 \1"),
    (r"Input should be less than or equal to (\S+)", r"应不大于 \1"),
    (r"(\S+) is not in the range x>=(\S+?)\.", r"\1 应不小于 \2。"),
    (r"(\S+) is not in the range ([\d.]+)<=x<=([\d.]+?)\.", r"\1 应在 \2 到 \3 之间。"),
]


def in_users_language(text: str) -> str:
    """`text`, as Typer wrote it, in Chinese where the user reads Chinese."""
    if language() != "zh":
        return text
    for phrase, words in _PHRASES:
        text = re.sub(phrase, words, text, flags=re.MULTILINE)
    return text


# Options whose value may be empty: no system message, and a prompt that has a sentence of its own.
_MAY_BE_EMPTY = {"--system", "--prompt"}


class Command(TyperCommand):
    """A command whose --help is in the user's language."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does. Raises UserError for a value that is empty, which an unset variable of the
        shell leaves: typer would read it as the folder here, or as nothing given."""
        _check_not_empty(args)
        if any(each.name == "settings" for each in self.params):
            args = self._settings_as_assignments(ctx, args)
        return super().parse_args(ctx, args)

    def _settings_as_assignments(self, ctx: Any, args: list[str]) -> list[str]:
        from styledial.cli.setting_options import as_assignments  # the settings import pydantic

        with_value: set[str] = set()
        flags: set[str] = set()
        for each in self.get_params(ctx):  # --help among them
            names = {*each.opts, *each.secondary_opts}
            (flags if getattr(each, "is_flag", False) else with_value).update(names)
        return as_assignments(args, with_value, flags)

    def get_help(self, ctx: Any) -> str:
        """As typer writes it, its own words translated, its lines no wider than the terminal."""
        ctx.formatter_class = by_columns(ctx.formatter_class, in_users_language)
        return in_users_language(super().get_help(ctx))

    def invoke(self, ctx: Any) -> Any:
        """The command itself; what a disk or a path refuses is one sentence, and so is what a
        library can't read of the environment.

        Raises UserError for that.
        """
        try:
            return super().invoke(ctx)
        except StyleDialError:
            raise
        except Exception as error:
            if said := blamed(error) or _refused(error):
                raise said from error
            raise


def _check_not_empty(args: Sequence[str]) -> None:
    before = ""
    for each in args:
        option, equals, value = each.partition("=") if each.startswith("--") else ("", "", each)
        if not option and before in _MAY_BE_EMPTY:
            before = ""
            continue
        if not value.strip() and (equals or not option) and option not in _MAY_BE_EMPTY:
            name = option or (before if before.startswith("-") else "")
            raise UserError(
                f"{name or 'An argument'}: is empty, perhaps a variable that isn't set. Give a "
                "value, or leave it out.",
                f"{name or '有一个参数'}：为空，可能是没有设置的变量。请写上值，或去掉。",
            )
        before = each


def _refused(error: Exception) -> UserError | None:
    reason = disk_problem(error)
    if reason is None and isinstance(error, OSError) and error.errno in _IMPOSSIBLE:
        reason = os.strerror(error.errno or 0)
    if isinstance(error, RuntimeError) and "home directory" in str(error):  # Path.expanduser
        return UserError(
            "A path begins with ~ and the name of a user who isn't known on this machine; write "
            "the path itself.",
            "有路径以 ~用户名 开头，但本机没有这个用户；请直接写路径。",
        )
    if reason is None:
        return None
    place = str(getattr(error, "filename", None) or Path.cwd())[:200]
    return UserError(
        f"{place}: the system refused to read or write it ({reason}). What was finished before is "
        "kept. Make room or get the permission, or name another place, and run the command again.",
        f"{place}：系统拒绝读写（{reason}）。此前完成的内容都在。请腾出空间或取得权限，"
        "或换一个位置，然后重新运行此命令。",
    )


class Group(TyperGroup):
    """The same for a command that has others."""

    def get_help(self, ctx: Any) -> str:
        """As typer writes it, its own words translated, its lines no wider than the terminal."""
        ctx.formatter_class = by_columns(ctx.formatter_class, in_users_language)
        return in_users_language(super().get_help(ctx))


def run(app: Callable[..., Any]) -> None:
    """Run the program; a wrong command line is one message in the user's language and exit code 2.

    Raises SystemExit where the code isn't 0.
    """
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        context = getattr(error, "ctx", None)
        if context is not None and type(error).__name__ != "NoArgsIsHelpError":
            print(in_users_language(context.get_usage()), file=sys.stderr)
            hint = f"Try '{context.command_path} --help' for help."
            print(in_users_language(hint) + "\n", file=sys.stderr)
        print(in_users_language(str(message())), file=sys.stderr)
        raise SystemExit(getattr(error, "exit_code", 2)) from None
    if code == 130:  # what Typer makes of Ctrl-C
        raise KeyboardInterrupt
    if isinstance(code, int) and code:
        raise SystemExit(code)
