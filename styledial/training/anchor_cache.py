"""Anchor text that a base has written, kept for the user's other runs.

    HOME/anchor/KEY.safetensors     tokens, pieces, in_row (PackedRows.arrays)
                                    description: what it was made from; sha256 of the arrays

KEY is a digest of the description: the base's weights and configuration, what the texts begin and
end with, how many there are, their length and the seed. So a run on another book finds it, and one
on another base doesn't. A file is used only where its description and its digest agree; another one
counts as absent, and is written anew. Files are written whole and are the same whoever writes
them, so two runs at once need no lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
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
_NAMES = ("_name_or_path", "transformers_version")  # the same base in another folder


def describe(policy: Policy, **made_from: Any) -> dict[str, Any]:
    """What anchor text is known by: the base's identity beside `made_from` (plain values)."""
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
            return PackedRows.from_arrays(arrays)
    return None


def keep(description: dict[str, Any], rows: PackedRows) -> None:
    """Keep the text; without a home, or on a full disk, it is left to be written again."""
    path = _path(description)
    if path is None:
        return
    arrays = {name: np.ascontiguousarray(array) for name, array in rows.arrays().items()}
    about = {"description": json.dumps(description), "sha256": _digest(arrays)}
    with contextlib.suppress(OSError, SafetensorError), written_aside(path) as aside:
        save_file(arrays, aside, metadata=about)


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
