"""The record of what a run wrote: only what it lists, and is still as written, may be removed.

    OWN/manifest.json   {"format": 1,
                         "files":    {"summary.json": {"bytes": 1201, "sha256": "..."}, ...},
                         "replaced": {...},       files of an earlier run, now in OWN/replaced
                         "whole_run": true,       all of that run is there, not only a part
                         "moved": true}           and no file of it is left in its place

An entry is written before its file takes its place, so that a process that dies between the two
leaves no file of its own unlisted; `before` is the hash of the file that stood there until then.
A file that `grows` (metrics.jsonl, event files) is known by its beginning, `bytes` long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from styledial.data.reading.beside_model import OWN_MANIFEST
from styledial.files import read_json, write_json

FILE = OWN_MANIFEST
_BLOCK = 1 << 20
Entry = dict[str, Any]


@dataclass
class Manifest:
    """Names are relative to the run's folder, with `/` on every system."""

    files: dict[str, Entry] = field(default_factory=dict)
    replaced: dict[str, Entry] = field(default_factory=dict)
    whole_run: bool = False
    moved: bool = False

    @classmethod
    def load(cls, folder: Path) -> Manifest | None:
        """What `folder`/manifest.json says; None where there is none that can be read."""
        try:
            found = read_json(folder / FILE)
            files, replaced = dict(found["files"]), dict(found["replaced"])
            return cls(files, replaced, bool(found["whole_run"]), bool(found["moved"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, folder: Path) -> None:
        """Write `folder`/manifest.json, whole or not at all."""
        write_json(folder / FILE, {"format": 1, **asdict(self)})


def described(path: Path, *, grows: bool = False) -> Entry:
    """The entry of the file `path`; reads all of it."""
    size = path.stat().st_size
    entry: Entry = {"bytes": size, "sha256": _digest(path, size)}
    return {**entry, "grows": True} if grows else entry


def as_written(path: Path, entry: Mapping[str, Any]) -> bool:
    """Whether `path` is the file that `entry` describes, unchanged since."""
    try:
        if path.is_symlink() or not path.is_file():
            return False
        size = path.stat().st_size
        if entry.get("grows"):
            return size >= entry["bytes"] and _digest(path, entry["bytes"]) == entry["sha256"]
        known = {entry["sha256"], entry.get("before")}
        return (size == entry["bytes"] or len(known) > 1) and _digest(path, size) in known
    except OSError:
        return False


def _digest(path: Path, size: int) -> str:
    """SHA-256 of the first `size` bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (block := file.read(min(size, _BLOCK))):
            digest.update(block)
            size -= len(block)
    return digest.hexdigest()
