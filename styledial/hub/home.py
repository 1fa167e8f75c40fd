"""The folder for downloaded and converted models, and its free disk space."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from styledial.errors import UserError
from styledial.units import disk_size


def home() -> Path:
    """STYLEDIAL_HOME, or `styledial` in the user's cache folder; made when first written to."""
    asked = os.environ.get("STYLEDIAL_HOME")
    if asked:
        return Path(asked).expanduser()
    if os.name == "nt" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "styledial"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "styledial"


def model_folder(name: str) -> Path:
    """Where a download of `owner/name` goes unless the user says otherwise."""
    return home() / "models" / Path(*name.split("/"))


def require_space(folder: Path, needed: int, what: tuple[str, str]) -> None:
    """Raises UserError if the disk of `folder` has less than `needed` bytes free.

    `what` says, in English and Chinese, what they are for. A twentieth is kept in reserve.
    """
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free >= needed * 1.05:
        return
    raise UserError(
        f"{folder}: {what[0]} needs {disk_size(needed)}, the disk has {disk_size(free)} free. "
        "Free some space or choose a folder on another disk.",
        f"{folder}：{what[1]}需要 {disk_size(needed)}，磁盘只剩 {disk_size(free)}。"
        "请清理空间，或选择其他磁盘上的文件夹。",
    )
