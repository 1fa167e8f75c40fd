"""Anchor text that a base has written, kept for the user's other runs.

    HOME/anchor/KEY.safetensors     tokens, pieces, in_row (PackedRows.arrays)
                                    description: what it was made from; sha256 of the arrays

KEY is a digest of the description: the base's weights and configuration, what the texts begin and
end with, how many there are, their length and the seed. So a run on another book finds it, and one
on another base doesn't. A file is used only where its description and its digest agree; another one
counts as absent, and is written anew. Files are written whole, and each process would write the
same one, so two runs at once need no lock. Beyond 128 MiB in all, the files that were longest not
used are removed; so do those go that an earlier version kept under another key.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from styledial.data.pack import PackedRows
from styledial.files import written_aside
from styledial.hub.home import home
from styledial.models.policy import Policy

_FORM = 1  # of the files; another number is another key
_MOST_BYTES = 2**27  # of all files together; one of 32,768 tokens has 130 KB
_NAME = re.compile(r"[0-9a-f]{24}\.safetensors")
_NAMES = ("_name_or_path", "transformers_version")  # the same base in another folder


def describe(policy: Policy, **made_from: Any) -> dict[str, Any]:
    """What identifies anchor text: the base, and `made_from` (plain values)."""
    with policy.as_base() as base:
        about = base.config.to_dict(), base.generation_config.to_dict()
        kept = [{key: each[key] for key in each if key not in _NAMES} for each in about]
        dtype = str(base.dtype)
    identity = json.dumps([*kept, dtype, policy.digests.sampled], sort_keys=True, default=str)
    return {
        "form": _FORM,
        "base": hashlib.sha256(identity.encode()).hexdigest(),
        **made_from,
    }


def read(description: dict[str, Any]) -> PackedRows | None:
    """The text of this description; None where it isn't there, or isn't whole."""
    path = _path(description)
    if path is None:
        return None
    with contextlib.suppress(OSError, SafetensorError, KeyError, ValueError):
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in ("tokens", "pieces", "in_row")}
        whole = about["sha256"] == _digest(arrays)
        if whole and json.loads(about["description"]) == description:
            with contextlib.suppress(OSError):  # of another user, perhaps
                os.utime(path)
            return PackedRows.from_arrays(arrays)
    return None


def keep(description: dict[str, Any], rows: PackedRows) -> None:
    """Keep the text. Without a home folder, or on a full disk, it is not kept."""
    path = _path(description)
    if path is None:
        return
    arrays = {name: np.ascontiguousarray(array) for name, array in rows.arrays().items()}
    about = {"description": json.dumps(description), "sha256": _digest(arrays)}
    with contextlib.suppress(OSError, SafetensorError):
        with written_aside(path) as aside:
            save_file(arrays, aside, metadata=about)
        _remove_longest_unused(path)


def _remove_longest_unused(new: Path) -> None:
    """What goes beyond _MOST_BYTES beside the file that was just written, and only what `keep`
    wrote."""
    others = [path for path in new.parent.iterdir() if path != new and _NAME.fullmatch(path.name)]
    found = sorted(((path.stat(), path) for path in others), key=lambda each: -each[0].st_mtime)
    total = new.stat().st_size
    for info, path in found:
        total += info.st_size
        if total > _MOST_BYTES and _is_ours(path):
            path.unlink(missing_ok=True)


def _is_ours(path: Path) -> bool:
    try:
        with safe_open(path, framework="numpy") as file:
            return {"description", "sha256"} <= (file.metadata() or {}).keys()
    except (OSError, SafetensorError):
        return False


def _path(description: dict[str, Any]) -> Path | None:
    """None where the user has no home: `docker run -u` of a user whom the image doesn't know."""
    try:
        folder = home() / "anchor"
    except RuntimeError:
        return None
    key = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:24]
    return folder / f"{key}.safetensors"


def _digest(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
