"""The reference cache: the same numbers, and nothing stale or cut short is trusted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from running import invoke, small_run

from styledial.metrics import read_metrics
from styledial.reference import ReferenceCache, fingerprint, has_room

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_gives_back_bit_for_bit(tmp_path: Path, dtype: torch.dtype) -> None:
    hidden = torch.randn(2, 4, 8).to(dtype)
    cache = ReferenceCache(tmp_path, "f", (5, 4, 8), dtype)
    assert cache.get([1, 3], CPU) is None
    cache.put([1, 3], hidden)
    again = ReferenceCache(tmp_path, "f", (5, 4, 8), dtype)
    found = again.get([3, 1], CPU)
    assert found is not None
    assert torch.equal(found, hidden.flip(0))
    assert again.get([1, 2], CPU) is None


def test_damaged_rows_are_not_trusted(tmp_path: Path) -> None:
    cache = ReferenceCache(tmp_path, "f", (3, 4, 8), torch.float32)
    cache.put([0, 1, 2], torch.randn(3, 4, 8))
    del cache
    path = tmp_path / "reference-f.bin"
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(bytes(content))
    cache = ReferenceCache(tmp_path, "f", (3, 4, 8), torch.float32)
    assert cache.get([0], CPU) is None
    assert cache.get([1, 2], CPU) is not None


def test_a_truncated_file_starts_afresh(tmp_path: Path) -> None:
    cache = ReferenceCache(tmp_path, "f", (3, 4, 8), torch.float32)
    cache.put([0, 1, 2], torch.ones(3, 4, 8))
    del cache
    path = tmp_path / "reference-f.bin"
    path.write_bytes(path.read_bytes()[:100])
    cache = ReferenceCache(tmp_path, "f", (3, 4, 8), torch.float32)
    assert cache.get([0, 1, 2], CPU) is None


def test_the_disk_is_not_filled(tmp_path: Path) -> None:
    assert has_room(tmp_path / "not/there/yet", 1)
    assert not has_room(tmp_path, 10**18)


def test_the_fingerprint_covers_model_and_tokens(tiny_base: Path) -> None:
    import torch

    from styledial.data.pack import pack
    from styledial.data.passage import Passage
    from styledial.models.load import load_base, load_tokenizer
    from styledial.models.policy import with_lora

    tokenizer = load_tokenizer(str(tiny_base))

    def fresh(base):
        return with_lora(base, r=2, lora_alpha=4, lora_dropout=0.0, target_modules="all-linear")

    policy = fresh(load_base(str(tiny_base)))
    one, two = (pack([Passage(t * 50, "a")], tokenizer, 16) for t in ("江湖", "江河"))
    names = [fingerprint(["m"], policy, one), fingerprint(["m"], policy, two)]
    names += [fingerprint(["n"], policy, one)]
    assert fingerprint(["m"], policy, one) == names[0]
    changed = load_base(str(tiny_base))
    with torch.no_grad():  # the same path and configuration, other weights
        next(changed.parameters()).mul_(1.001)
    names += [fingerprint(["m"], fresh(changed), one)]
    assert len(set(names)) == 4


def test_training_with_the_cache_is_training_without(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """Two epochs, so that the second is served from the cache."""
    logs, saved = [], []
    for mode in ("auto", "off"):
        settings = [*small_run(tiny_base, novels, tmp_path / mode), f"reference_cache={mode}"]
        settings += ["anchor=bundled", "max_steps=-1", "--epochs", "2"]
        assert invoke("train", *settings).returncode == 0
        saved.append(
            json.loads((tmp_path / mode / "summary.json").read_text())["reference_rows_saved"]
        )
        logs.append(read_metrics(tmp_path / mode / "metrics.jsonl"))
    assert saved[0] > 0 == saved[1]
    keys = ("train/nll", "train/kl", "train/anchor_kl", "train/grad_norm", "train/lambda")
    for a, b in zip(*logs, strict=True):
        # Not bit for bit: style and anchor rows are computed apart where one of them is kept.
        assert [a[k] for k in keys] == pytest.approx([b[k] for k in keys], rel=1e-3, abs=1e-6)
