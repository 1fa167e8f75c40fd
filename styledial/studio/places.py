"""The folders that the studio was given, and what lies in them.

The page knows runs and folders of novels by keys out of these lists; a key that isn't in them is
refused, so nothing that a browser sends becomes a path.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from styledial.config import BUNDLED
from styledial.errors import UserError
from styledial.language import say
from styledial.run_folder import layout
from styledial.run_folder.checkpoint_files import checkpoint_folders

# A new run's folder: letters of any script, digits, and . - _ within.
_NAME = re.compile(r"\w[\w.-]{0,62}\w|\w")
_RESERVED = re.compile(r"(?i:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?")  # on Windows
_WRITTEN = (layout.SUMMARY, layout.METRICS, layout.ADAPTER_SETTINGS, layout.MODEL_SETTINGS)


@dataclass
class Places:
    """`runs_in`: folders that are runs or hold runs; a new run goes into the first. `novels_in`:
    folders of novels to train on."""

    runs_in: Sequence[Path]
    novels_in: Sequence[Path] = ()
    _begun: list[Path] = field(default_factory=list)  # here; their folders may not be there yet

    def runs(self) -> dict[str, Path]:
        """Key -> folder of each run and model, the newest first."""
        found = {folder.resolve(): folder for folder in self._begun}
        for place in self.runs_in:
            for folder in filter(_is_run, [place, *_children(place)]):
                found.setdefault(folder.resolve(), folder)
        names = [folder.name for folder in found]
        newest = sorted(found, key=_age)
        return {
            folder.name if names.count(folder.name) == 1 else str(folder): found[folder]
            for folder in newest
        }

    def began(self, folder: Path) -> None:
        """A run was begun in a folder out of `new_run`."""
        self._begun.append(folder)

    def key_of(self, folder: Path) -> str | None:
        """The key of a run's folder."""
        return next((key for key, each in self.runs().items() if each == folder), None)

    def run(self, key: object) -> Path:
        """The folder of a run. Raises UserError for a key that isn't one."""
        folder = self.runs().get(str(key))
        if folder is None:
            raise UserError(
                f"{str(key)[:80]}: there is no such run any more. Look for runs again.",
                f"{str(key)[:80]}：没有这个训练。请重新查找。",
            )
        return folder

    def novels(self) -> dict[str, str]:
        """Key -> data.data_dir of the sample novels and the folders that were given."""
        sample = say("bundled sample novels", "自带样例小说")
        return {sample: BUNDLED, **{str(folder): str(folder) for folder in self.novels_in}}

    def new_run(self, name: str) -> Path:
        """The folder of a run to begin. Raises UserError for a name that can't be a folder here."""
        name = name.strip()
        if not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
            raise UserError(
                f"{name[:80]!r}: can't be the name of a run; use letters, digits, - and _.",
                f"{name[:80]!r}：不能作为名称；请用文字、数字、- 和 _。",
            )
        if _is_run(self.runs_in[0]):
            raise UserError(
                f"{self.runs_in[0]}: is a run itself; start the studio with the folder that holds "
                "it to train here.",
                f"{self.runs_in[0]}：本身就是训练结果；要在这里训练，请用它的上级文件夹启动。",
            )
        folder = self.runs_in[0] / name
        if folder.exists() or folder.is_symlink():
            raise UserError(
                f"{name}: exists already in {self.runs_in[0]}; choose another name.",
                f"{name}：{self.runs_in[0]} 中已存在；请换个名称。",
            )
        return folder


def _children(place: Path) -> list[Path]:
    """Folders in `place` that really lie there, whatever links say."""
    if not place.is_dir():
        return []
    inside = place.resolve()
    return [each for each in place.iterdir() if each.is_dir() and each.resolve().parent == inside]


def _is_run(folder: Path) -> bool:
    written = any((folder / name).is_file() for name in _WRITTEN)
    return written or bool(checkpoint_folders(folder))


def _age(folder: Path) -> float:
    """Seconds, negative; one that isn't there yet is the newest."""
    try:
        return -folder.stat().st_mtime
    except OSError:
        return -math.inf
