"""Where a command writes to, checked before any work: callbacks of typer's options."""

from __future__ import annotations

from pathlib import Path

import typer

from styledial.errors import UserError


def new_folder(param: typer.CallbackParam, value: Path | None) -> Path | None:
    """Raises UserError where `value` can't be a folder: it or something above it is a file."""
    if value is None:
        return None
    value = value.expanduser()
    _check_above(param, value)
    if value.exists() and not value.is_dir():
        raise UserError(
            f"{_name(param)} {value}: is a file; name a folder.",
            f"{_name(param)} {value}：是文件；请写文件夹。",
        )
    return value


def new_file(param: typer.CallbackParam, value: Path | None) -> Path | None:
    """Raises UserError where `value` can't be a file: it is a folder, or a file is above it."""
    if value is None:
        return None
    value = value.expanduser()
    _check_above(param, value)
    if value.is_dir():
        raise UserError(
            f"{_name(param)} {value}: is a folder; name a file.",
            f"{_name(param)} {value}：是文件夹；请写文件名。",
        )
    return value


def new_page(param: typer.CallbackParam, value: Path | None) -> Path | None:
    """As `new_file`; a file that is there is replaced only where StyleDial wrote that page."""
    value = new_file(param, value)
    if value is not None and value.exists() and not _is_our_page(value):
        raise UserError(
            f"{_name(param)} {value}: exists already and isn't a page that StyleDial wrote; it is "
            "left as it is. Name another file.",
            f"{_name(param)} {value}：文件已存在，且不是 StyleDial 生成的页面，未改动；"
            "请换一个文件名。",
        )
    return value


def _is_our_page(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            start = file.read(2000)
    except (OSError, UnicodeDecodeError):
        return False
    return start.startswith("<!doctype html>") and "StyleDial" in start


def _check_above(param: typer.CallbackParam, value: Path) -> None:
    above = next((each for each in value.absolute().parents if each.exists()), None)
    if above is not None and not above.is_dir():
        raise UserError(
            f"{_name(param)} {value}: {above} is a file; choose another place.",
            f"{_name(param)} {value}：{above} 是文件；请换一个位置。",
        )


def _name(param: typer.CallbackParam) -> str:
    return next((name for name in param.opts if name.startswith("--")), str(param.name))
