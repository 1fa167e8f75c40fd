"""The files of a folder: those that can be read, and the reason for each that can't."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from styledial.data.reading.beside_model import beside_model
from styledial.data.reading.own_output import is_no_novel
from styledial.errors import DataError
from styledial.language import say

TEXT = (".txt", ".text", ".md", ".markdown")
RECORDS = (".jsonl", ".json")
TABLES = (".csv", ".tsv", ".parquet")
FORMATTED = (
    ".epub", ".html", ".htm", ".xhtml", ".fb2", ".rtf", ".docx", ".pdf", ".mobi", ".azw3", ".azw",
    ".prc",
)  # fmt: skip
ARCHIVES = (".zip", ".tar", ".gz", ".tgz")
MEMBERS = TEXT + RECORDS + TABLES + FORMATTED
KINDS = MEMBERS + ARCHIVES
# Not read under these names, but opened: a .doc may be RTF or a page, and what it is not is said.
_OPENED = (
    ".doc", ".odt", ".rar", ".7z", ".bz2", ".xz", ".chm", ".djvu", ".xls", ".xlsx", ".ppt", ".pptx",
    ".mht", ".mhtml",
)  # fmt: skip
_SYSTEM = {"Thumbs.db", "desktop.ini", "__MACOSX"}


@dataclass(frozen=True)
class Source:
    """One file of the folder; `name` is its path inside it with / between folders.

    `refused` says why it can't be read; such a file is never opened.
    """

    path: Path
    name: str
    size: int = 0
    refused: str = ""


def find_sources(folder: Path, leave_out: Collection[Path] = ()) -> list[Source]:
    """Every file under `folder` in name order, each once, links followed but never in circles.

    Hidden files, `leave_out` (what is about to be written) and what StyleDial made of these novels
    aren't looked at. Raises DataError where `folder` is not a folder that can be listed.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder} is not a folder. Put your novels (.txt) into a folder and name it.",
            f"{folder} 不是文件夹。请把小说（.txt）放进一个文件夹并写上它的路径。",
        )
    skipped = {os.path.realpath(path) for path in leave_out}
    found = [
        source
        for source in _walk(folder, folder, set())
        if os.path.realpath(source.path) not in skipped
        and (source.refused or not is_no_novel(source.path, folder))
    ]
    return sorted(found, key=lambda source: source.name)


def holds_anything(folder: Path) -> bool:
    """Whether find_sources would find a file, read or refused; stops at the first."""
    return any(True for _ in _walk(folder, folder, set()))


def _walk(folder: Path, root: Path, seen: set[tuple[int, int]]) -> Iterator[Source]:
    try:
        here = folder.stat()
        if (here.st_dev, here.st_ino) in seen and here.st_ino:
            return
        seen.add((here.st_dev, here.st_ino))
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        yield Source(folder, _name(folder, root), refused=_unreadable(error))
        return
    not_novels = beside_model(folder, [entry.name for entry in entries])
    for entry in entries:
        if entry.name.startswith((".", "~$")) or entry.name in _SYSTEM:
            continue
        path = Path(entry.path)
        try:
            info = path.stat()
        except OSError as error:
            yield Source(path, _name(path, root), refused=_unreadable(error))
            continue
        if stat.S_ISDIR(info.st_mode):
            yield from _walk(path, root, seen)
        else:
            why_not = _why_not(path, info)
            if not why_not and entry.name in not_novels:
                why_not = say(
                    "belongs to the model or the run in this folder, and is no novel",
                    "属于该文件夹中的模型或训练结果，不是小说",
                )
            yield Source(path, _name(path, root), info.st_size, why_not)


def _why_not(path: Path, info: os.stat_result) -> str:
    if not stat.S_ISREG(info.st_mode):
        return say("not a regular file", "不是普通文件")
    if path.suffix.lower() not in KINDS + _OPENED:
        kinds = " ".join(KINDS)
        return say(f"not a supported file type ({kinds})", f"不支持的文件类型（{kinds}）")
    return say("empty", "空文件") if info.st_size == 0 else ""


def _unreadable(error: OSError) -> str:
    return say(
        f"cannot be read ({error.strerror}); fix its permissions or remove it",
        f"无法读取（{error.strerror}）；请修改权限或移走",
    )


def _name(path: Path, root: Path) -> str:
    """The path inside the folder; bytes of a name that aren't UTF-8 show as U+FFFD."""
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "replace")
