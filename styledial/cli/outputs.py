"""Where a command writes to, checked before any work: callbacks of typer's options."""

from __future__ import annotations

from pathlib import Path

import typer

from styledial.data.reading.own_output import is_page
from styledial.errors import UserError
from styledial.places import at_home, check_new


def new_folder(param: typer.CallbackParam, value: Path | None) -> Path | None:
    """Raises UserError where `value` can't be a folder: it or something above it is a file."""
    return _checked(param, value, folder=True)


def new_file(param: typer.CallbackParam, value: Path | None) -> Path | None:
    """Raises UserError where `value` can't be a file: it is a folder, or a file is above it."""
    return _checked(param, value, folder=False)


def new_page(param: typer.CallbackParam, value: Path | None) -> Path | None:
    """As `new_file`; a file that is there is replaced only where StyleDial wrote that page."""
    value = new_file(param, value)
    if value is not None and value.exists() and not is_page(value):
        raise UserError(
            f"{_name(param)} {value}: exists already and isn't a page that StyleDial wrote; it is "
            "left as it is. Name another file.",
            f"{_name(param)} {value}：文件已存在，且不是 StyleDial 生成的页面，未改动；"
            "请换一个文件名。",
        )
    return value


def at_home_folder(param: typer.CallbackParam, value: Path | None) -> Path | None:
    """`value` with ~ filled in; what writes there says that it must be new."""
    return None if value is None else at_home(_name(param), value)


def _checked(param: typer.CallbackParam, value: Path | None, *, folder: bool) -> Path | None:
    if value is None:
        return None
    value = at_home(_name(param), value)
    check_new(_name(param), value, folder=folder)
    return value


def _name(param: typer.CallbackParam) -> str:
    return next((name for name in param.opts if name.startswith("--")), str(param.name))
