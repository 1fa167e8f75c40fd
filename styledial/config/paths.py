"""Settings that name a file or a folder: variables of the environment, and a `#` in YAML."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from styledial.config.source import Value
from styledial.errors import UserError
from styledial.language import say

PATHS = (
    "model.model_name_or_path", "data.data_dir", "data.general", "data.anchor",
    "training.output_dir", "training.reference_cache",
)  # fmt: skip
# Where a number is a name: a folder 2026, a revision 1.0.
_AS_TYPED = (*PATHS, "model.revision")
# Where 0 and 1 may also be meant as off and on: they name nothing.
_OFF_OR_ON = ("data.anchor", "training.reference_cache")
_WINDOWS = "|%([^%]+)%" if os.name == "nt" else ""
_VARIABLE = re.compile(r"\$(?:\{([^}]*)\}|([A-Za-z_]\w*)|(\{.*))" + _WINDOWS)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
# Two hexadecimal digits are a letter of an address copied from a browser: novels%E5%AD%97.
_PERCENT = re.compile(r"%(?![0-9A-F]{2}%)([A-Z_][A-Z0-9_]*)%")


def as_typed(name: str, given: Value) -> Any:
    """The value for a setting; where a name is wanted, a number as it was typed."""
    if name not in _AS_TYPED or (name in _OFF_OR_ON and given.value in (0, 1)):
        return given.value
    return given.as_text


def exists(path: str) -> bool:
    """Whether a file or folder is there under exactly these letters."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # too long for a name, or with a NUL
        return False


def expanded(path: str) -> str:
    """`path` with ~, $NAME and ${NAME} filled in. Raises UserError for a variable that isn't set,
    or one that is written in another way."""
    _check_is_of_this_system(path)
    home = os.path.expanduser(path)  # noqa: PTH111 - pathlib's raises for a user that isn't known
    if home.startswith("~"):
        user = home.partition("/")[0]
        raise UserError(
            f"there is no user {user[1:]} on this machine, whose home {user} would be; write the "
            f"path itself, or ./{path}",
            f"本机没有用户 {user[1:]}，无法得知 {user} 是哪个文件夹；请直接写路径，或写 ./{path}",
        )
    return _VARIABLE.sub(_filled, home)


def _check_is_of_this_system(path: str) -> None:
    """Raises UserError for a path as another system writes it, from which a folder of a strange
    name would be made."""
    if _CONTROL.search(path):
        raise UserError(
            f"{path!r} has a line break, a tab or another control character in it; between double "
            "quotes YAML reads \\n and \\t so. Write / between folders, or use single quotes",
            f"{path!r} 中有换行、制表符或其他控制字符；YAML 在双引号中会把 \\n、\\t 读成这样。"
            "文件夹之间请写 /，或改用单引号",
        )
    if os.name == "nt":
        return
    if "\\" in path or _DRIVE.match(path):
        raise UserError(
            f"{path} is written as on Windows; on this system folders are divided by /, and there "
            "are no drives",
            f"{path} 是 Windows 的写法；本系统的文件夹用 / 分隔，没有盘符",
        )
    if found := _PERCENT.search(path):
        raise UserError(
            f"{found[0]} is how Windows writes an environment variable; here it is ${found[1]}",
            f"{found[0]} 是 Windows 环境变量的写法；本系统写成 ${found[1]}",
        )


def _filled(found: re.Match[str]) -> str:
    name = next((group for group in found.groups() if group is not None), "")
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise UserError(
            f"{found[0]} is not understood; environment variables are written $NAME or ${{NAME}}",
            f"无法理解 {found[0]}；环境变量写成 $NAME 或 ${{NAME}}",
        )
    value = os.environ.get(name)
    if not value:
        raise UserError(
            f"the environment variable {name} is not set; set it, or write the path itself",
            f"环境变量 {name} 没有设置；请先设置，或直接写路径",
        )
    return value


def check_number_sign(name: str, given: Value, path: str) -> str | None:
    """What to say about `path`, which YAML cut off at ` #`; None where nothing is doubtful.

    Raises UserError where the longer path is there too.
    """
    if given.commented is None or name not in PATHS:
        return None
    quoted = f'{name.partition(".")[2]}: "{given.commented}"'
    if exists(given.commented):
        raise UserError(
            f"{given.commented} is here, but YAML takes what follows ` #` for a comment; write "
            f"{quoted} for it, or put the comment on a line of its own",
            f"此处有 {given.commented}，但 YAML 把 ` #` 之后当作注释；如指它，请写成 {quoted}，"
            "否则请把注释另起一行",
        )
    new = name == "training.output_dir" and re.search(r" #\S", given.commented)
    if exists(path) or not (new or _is_read(name, path)):
        return None
    return say(
        f"{given.where}: {name} is read as {path}, because YAML takes what follows ` #` for a "
        f"comment; if it belongs to the path, write {quoted}",
        f"{given.where}：{name} 按 {path} 读取，因为 YAML 把 ` #` 之后当作注释；"
        f"如果它是路径的一部分，请写成 {quoted}",
    )


def _is_read(name: str, path: str) -> bool:
    """Whether a setting's value is a path that has to be there already."""
    words = ("bundled", "self", "off", "auto")
    on_a_hub = name == "model.model_name_or_path" and path.count("/") == 1 and path[0] not in "./~"
    return name != "training.output_dir" and path not in words and not on_a_hub
