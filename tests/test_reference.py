"""The reference cache: the same numbers, and nothing stale or cut short is trusted."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from running import invoke, small_run

from styledial.data.pack import PackedRows, pack
from styledial.data.passage import Passage
from styledial.models.load import load_base, load_tokenizer
from styledial.models.policy import Policy, with_lora
from styledial.run_folder.metrics import read_metrics
from styledial.training.objective import LossSettings
from styledial.training.reference import ReferenceCache, References, fingerprint, has_room
from styledial.training.step import MicroBatch, micro_batch, trained

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


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_FSIZE as on Linux")
def test_a_full_disk_costs_rows_and_nothing_else(tmp_path: Path) -> None:
    """A write through the memory map ended the process (SIGBUS)."""

    def fill() -> None:
        cache = ReferenceCache(tmp_path, "f", (3, 4, 8), torch.float32)
        cache.put([0], torch.ones(1, 4, 8))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))  # into row 1
        cache.put([1, 2], torch.ones(2, 4, 8))
        assert cache.present([0, 1, 2]) == [0]

    child = os.fork()
    if not child:
        try:
            fill()
        finally:
            os._exit(sys.exc_info()[0] is not None)
    assert os.waitpid(child, 0)[1] == 0
    cache = ReferenceCache(tmp_path, "f", (3, 4, 8), torch.float32)
    assert cache.present([0, 1, 2]) == [0]


def test_the_disk_is_not_filled(tmp_path: Path) -> None:
    assert has_room(tmp_path / "not/there/yet", 1)
    assert not has_room(tmp_path, 10**18)


def test_the_fingerprint_covers_model_and_tokens(tiny_base: Path) -> None:
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
    sibling = load_base(str(tiny_base))
    with torch.no_grad():  # in which the rows of a few tokens were trained
        sibling.get_input_embeddings().weight[-5:] *= 1.1
    names += [fingerprint(["m"], fresh(sibling), one)]
    assert len(set(names)) == 5


@pytest.mark.slow  # its gradients: test_the_second_epochs_gradients_are_those_of_a_pass
def test_training_with_the_cache_is_training_without(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """Two epochs, so that the second is served from the cache."""
    few = tmp_path / "novels"
    few.mkdir()
    text = (novels / "one.txt").read_text(encoding="utf-8")
    (few / "one.txt").write_text(text[:6_000], encoding="utf-8")
    logs, saved = [], []
    for mode in ("auto", "off"):
        settings = [*small_run(tiny_base, few, tmp_path / mode), f"reference_cache={mode}"]
        settings += ["kl_mode=budget", "anchor=bundled", "max_steps=-1", "--epochs", "2"]
        assert invoke("train", *settings).returncode == 0
        saved.append(
            json.loads((tmp_path / mode / "summary.json").read_text())["reference_rows_saved"]
        )
        logs.append(read_metrics(tmp_path / mode / "metrics.jsonl"))
    assert saved[0] > 0 == saved[1]
    keys = ("train/nll", "train/kl", "train/anchor_kl", "train/grad_norm", "train/lambda")
    for a, b in zip(*logs, strict=True):
        # Not bit for bit: a row's last bits may depend on its neighbours, other ones each epoch.
        assert [a[k] for k in keys] == pytest.approx([b[k] for k in keys], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(("dtype", "apart"), [("float32", 1e-5), ("bfloat16", 2**-8)])
def test_the_second_epochs_gradients_are_those_of_a_pass(
    tiny_base: Path, tmp_path: Path, dtype: str, apart: float
) -> None:
    """Every gradient, with rows beside other neighbours than in the epoch that filled the cache."""
    policy = with_lora(
        load_base(str(tiny_base), dtype=dtype),
        r=4,
        lora_alpha=8,
        lora_dropout=0.0,
        target_modules="all-linear",
    )
    torch.manual_seed(0)
    with torch.no_grad():  # away from the base, or KL and its gradient are 0
        for parameter in trained(policy):
            parameter.add_(torch.randn_like(parameter) * 0.3)
    tokens = np.random.default_rng(0).integers(
        0, policy.head.weight.shape[0], (8, 65), dtype=np.int32
    )
    rows = PackedRows(tokens, [[(0, 65)]] * 8)
    kept = ReferenceCache(
        tmp_path, "f", (8, 64, policy.head.weight.shape[1]), policy.head.weight.dtype
    )
    cached, computed = References(policy, kept, None), References(policy, None, None)
    for epoch in ([0, 1, 2, 3], [4, 5, 6, 7]):
        cached(rows.batch(epoch), epoch, anchor=False)
    found = [_gradients(policy, rows, [6, 1, 3, 4], way) for way in (cached, computed)]
    assert cached.saved == 4
    assert found[0][0] == pytest.approx(found[1][0], rel=apart)
    assert found[0][0][1] > 0.01  # a KL worth comparing
    for one, two in zip(found[0][1], found[1][1], strict=True):
        assert (one - two).abs().max() <= apart * two.abs().max()


def _gradients(
    policy: Policy, rows: PackedRows, chosen: list[int], references: References
) -> tuple[list[float], list[torch.Tensor]]:
    """(NLL and KL, a gradient for each trained parameter) of one micro-batch."""
    batch = rows.batch(chosen)
    tokens = sum(map(rows.targets_in, chosen))
    sums = micro_batch(
        policy,
        policy,
        MicroBatch(batch, anchor=False, tokens=tokens),
        coefficient=torch.tensor(0.7),
        settings=LossSettings(),
        reference=lambda batch: references(batch, chosen, anchor=False),
        backward=lambda loss: loss.backward(),
    )
    found = [p.grad.clone() for p in trained(policy) if p.grad is not None]
    for parameter in trained(policy):
        parameter.grad = None
    return (sums[:2] / tokens).tolist(), found
