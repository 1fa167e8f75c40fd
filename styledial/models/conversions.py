"""Bases that transformers can't load as they are, converted once and kept: under
`converted` in StyleDial's own folder, each with a record of the files that it was made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from styledial.files import read_json
from styledial.hub.home import home

RECORD = "conversion.json"


def kept_conversion(name: str, key: str, make: Callable[[Path], object]) -> Path:
    """The folder with the conversion of what `key` stands for, made now where there is none."""
    from filelock import FileLock

    target = home() / "converted" / f"{name}-{key[:12]}"
    if not is_conversion(target, key):
        target.parent.mkdir(parents=True, exist_ok=True)
        # Under torchrun every process comes here; one converts, the others wait for it.
        with FileLock(f"{target}.lock"):
            if not is_conversion(target, key):
                make(target)
    return target


def is_conversion(target: Path, key: str) -> bool:
    """Whether `target` is a finished conversion of what `key` stands for."""
    record = target / RECORD
    return record.is_file() and read_json(record)["source"] == key
