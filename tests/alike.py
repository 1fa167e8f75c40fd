"""Whether two runs are the same: to the bit, or but for the order of additions."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from styledial.run_folder.metrics import read_metrics

ADAPTER = "adapter_model.safetensors"
CURVES = ("train/nll", "train/kl", "train/anchor_kl", "train/lambda")
_TIMINGS = ("second", "memory", "time/", "wall", "path")


def differences(one: Path, two: Path) -> list[str]:
    """Names of what isn't the same to the bit, timings left out."""
    found = []
    if digest(one / ADAPTER) != digest(two / ADAPTER):
        found.append(ADAPTER)
    if plain(read_metrics(one / "metrics.jsonl")) != plain(read_metrics(two / "metrics.jsonl")):
        found.append("metrics.jsonl")
    a, b = (json.loads((f / "summary.json").read_text(encoding="utf-8")) for f in (one, two))
    found += [f"summary.json {key}" for key in plain([a])[0] if a[key] != b.get(key)]
    return found


def plain(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what depends on the clock, the machine's memory, or how much a cache had saved."""
    return [
        {
            k: v
            for k, v in record.items()
            if not any(word in k for word in _TIMINGS) and k != "reference_rows_saved"
        }
        for record in records
    ]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def same_curves(*folders: Path, steps: int = 50) -> None:
    """Absolute differences, fp32; the curves themselves are of the size 0.1 (KL) to 7 (NLL)."""
    one, many = (read_metrics(folder / "metrics.jsonl") for folder in folders)
    assert [record["step"] for record in one] == [*range(1, steps + 1)]
    for a, b in zip(one, many, strict=True):
        for key in CURVES:
            assert a[key] == pytest.approx(b[key], abs=1e-5, rel=0), (a["step"], key)
        assert a["train/grad_norm"] == pytest.approx(b["train/grad_norm"], rel=1e-3)


def farthest(one: Path, two: Path) -> float:
    """Largest absolute difference between weights of two adapters."""
    from safetensors.torch import load_file

    a, b = load_file(one / ADAPTER), load_file(two / ADAPTER)
    assert a.keys() == b.keys()
    assert all(weight.shape == b[name].shape for name, weight in a.items())
    return max((weight - b[name]).abs().max().item() for name, weight in a.items())
