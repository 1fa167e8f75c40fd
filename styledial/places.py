"""Whether something can be written at a path: asked before any work, so that none is lost.

check_new("--output", path, folder=False)    UserError says what is in the way
at_home("--output", path)                    ~ filled in
"""

from __future__ import annotations

import os
import re
import tempfile
import unicodedata
from pathlib import Path

from styledial.errors import UserError

# Folders in a run's folder that hold what the program needs to go on with it, or clears.
OWN, CACHE, CHECKPOINTS = ".styledial-run", ".styledial-cache", "checkpoints"
# A file is written aside under a longer name first; file systems take 255 bytes.
_LONGEST = 200
_DEEPEST = 3800  # of a whole path they take 4096, with what is written below it


def at_home(name: str, path: Path) -> Path:
    """`path` with ~ filled in; `name` is the option. Raises UserError for an unknown user."""
    try:
        return path.expanduser()
    except RuntimeError:
        user = path.parts[0]
        raise UserError(
            f"{name} {path}: there is no user {user[1:]} on this machine, whose home {user} would "
            "be; write the path itself.",
            f"{name} {path}：本机没有用户 {user[1:]}，无法得知 {user} 是哪个文件夹；请直接写路径。",
        ) from None


def check_new(name: str, path: Path, *, folder: bool) -> None:
    """Raises UserError where no file, or with `folder` no folder, can be written at `path`.

    One that is there already is no error. `name` is the option or setting.
    """
    found = (
        _of_name(path)
        or _of_what_is_there(path, folder)
        or _of_a_run(path)
        or _of_what_is_above(path)
    )
    if found:
        shown = str(path)[:_LONGEST]
        en, zh = (name + " ", name + " ") if name.startswith("-") else (name + ": ", name + "：")
        raise UserError(f"{en}{shown}: {found[0]}.", f"{zh}{shown}：{found[1]}。")


def _of_name(path: Path) -> tuple[str, str] | None:
    if re.match(r"[A-Za-z][\w+.-]+:/", str(path)) and not path.exists():  # one / is left of two
        return (
            "is an address; name a folder or file on this machine",
            "是网址；请写本机上的文件夹或文件",
        )
    if any(unicodedata.category(character) == "Cc" for character in str(path)):
        return (
            "has a line break, a tab or another control character in it; write it without",
            "含有换行、制表符或其他控制字符；请去掉",
        )
    if any(len(os.fsencode(part)) > _LONGEST for part in path.parts):
        return (
            f"a name is longer than {_LONGEST} bytes; choose a shorter one",
            f"名称超过 {_LONGEST} 字节；请换一个短一些的",
        )
    if len(os.fsencode(path.absolute())) > _DEEPEST:
        return (
            f"the whole path is longer than {_DEEPEST} bytes; choose a shorter one",
            f"整个路径超过 {_DEEPEST} 字节；请换一个短一些的",
        )
    if str(path) == "-":
        return (
            "is no name here (nothing is written to the screen); choose another",
            "不能用作名称（内容不会输出到屏幕）；请换一个名称",
        )
    if path.name != path.name.strip() and not path.exists():
        return (
            "the name begins or ends with a space; write it without",
            "名称的首尾有空格；请去掉",
        )
    return None


def _of_a_run(path: Path) -> tuple[str, str] | None:
    place = Path(os.path.realpath(path))
    for own in (place, *place.parents):
        is_checkpoints = own.name == CHECKPOINTS and (own.parent / OWN).is_dir()
        if own.name in (OWN, CACHE) or is_checkpoints:
            run = own.parent
            return (
                f"lies in {own}, which the run in {run} clears or continues from; choose a place "
                "outside of it",
                f"在 {own} 之内，{run} 中的训练会清空它或从它继续；请换到外面的位置",
            )
    return None


def _of_what_is_there(path: Path, folder: bool) -> tuple[str, str] | None:
    if not os.path.lexists(path):
        return None
    if not path.exists():
        return "is a link that leads nowhere; choose another name", "是失效的链接；请换一个名称"
    if folder:
        if path.resolve() == path.resolve().parent:
            return "is the whole disk; name a folder on it", "是整个磁盘；请写其中的文件夹"
        return None if path.is_dir() else ("is a file; name a folder", "是文件；请写文件夹")
    if path.is_dir():
        return "is a folder. Name a file, in it or elsewhere", "是文件夹。请写文件名"
    if not path.is_file():
        return "is not an ordinary file; choose another name", "不是普通文件；请换一个名称"
    if path.is_symlink():
        there = path.resolve()
        return f"is a link; name the file itself, {there}", f"是链接；请直接写文件 {there}"
    return None


def _of_what_is_above(path: Path) -> tuple[str, str] | None:
    above = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
    if not above.exists():
        return (
            f"{above} is a link that leads nowhere; choose another place",
            f"{above} 是失效的链接；请换一个位置",
        )
    if above != path and not above.is_dir():
        return f"{above} is a file; choose another place", f"{above} 是文件；请换一个位置"
    held = above if above.is_dir() else above.absolute().parent
    if reason := _refusal(held):
        return (
            f"nothing can be written to {held} ({reason}); choose another place",
            f"{held} 无法写入（{reason}）；请换一个位置",
        )
    return None


def _refusal(folder: Path) -> str | None:
    """Why no file can be made in `folder`, in the system's words.

    Tried, because asking isn't enough: everything is allowed to root, also below /proc, and a
    network drive decides by itself.
    """
    try:
        with tempfile.TemporaryFile(prefix=".styledial-", dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)
