"""Text that the base wrote as anchor is kept for other runs, and only for the same base."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from anchor_world import CHINESE, World

from styledial.data.pack import PackedRows
from styledial.training import anchor_cache


def test_a_run_on_another_book_starts_at_once(
    tiny_base: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = World(tiny_base)
    rows = first.anchor().rows
    (kept,) = (home / "anchor").iterdir()
    other = World(tiny_base, CHINESE[::-1])
    other.forbid_writing(monkeypatch)
    assert np.array_equal(other.anchor().rows.tokens, rows.tokens)
    assert list((home / "anchor").iterdir()) == [kept]


@pytest.mark.parametrize(
    "other", ["seed=7", "max_length=32", "anchor_tokens=1280", "dtype=bfloat16"]
)
def test_what_makes_another_text(
    other: str, tiny_base: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    World(tiny_base).anchor()
    changed = World(tiny_base, CHINESE, other)
    changed.forbid_writing(monkeypatch)
    with pytest.raises(AssertionError, match="asked to write"):
        changed.anchor()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(_cut, marks=pytest.mark.slow),
        _flip,
        pytest.param(lambda path: path.write_bytes(b""), marks=pytest.mark.slow),
    ],
)
def test_a_damaged_file_is_written_anew(
    damage: Any, tiny_base: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tiny_base)
    rows = world.anchor().rows
    (kept,) = (home / "anchor").iterdir()
    damage(kept)
    assert np.array_equal(world.anchor().rows.tokens, rows.tokens)
    world.forbid_writing(monkeypatch)
    assert np.array_equal(world.anchor().rows.tokens, rows.tokens)
    assert list((home / "anchor").iterdir()) == [kept]


def test_a_home_that_takes_nothing_keeps_nobody_from_training(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file where the folder would be", encoding="utf-8")
    monkeypatch.setenv("STYLEDIAL_HOME", str(tmp_path / "home"))
    assert len(World(tiny_base).anchor().rows) == 32


def test_a_user_without_a_home_trains_without_keeping(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docker run -u 1234: no entry for the user, and nothing set."""
    for name in ("STYLEDIAL_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert len(World(tiny_base).anchor().rows) == 32


def _rows_of_chat_tokens(base: Any) -> None:
    """Of an embedding that is padded: neither its first rows nor its middle or last ones."""
    weight = base.get_input_embeddings().weight
    row = len(weight) * 3 // 4
    weight[row : row + 2] += 1


def _all_but_the_first_rows(base: Any) -> None:
    for weight in base.parameters():
        if weight.ndim == 2:
            weight[2:] *= 3


def _another_end(base: Any) -> None:
    base.generation_config.eos_token_id = 7


@pytest.mark.parametrize("change", [_rows_of_chat_tokens, _all_but_the_first_rows, _another_end])
def test_a_sibling_of_the_base_is_another_base(change: Any, tiny_base: Path) -> None:
    first, same, other = (World(tiny_base).policy for _ in range(3))
    with torch.no_grad():
        change(other.causal_lm)
    known = anchor_cache.describe(first, rows=1)
    assert anchor_cache.describe(same, rows=1) == known
    assert anchor_cache.describe(other, rows=1) != known


def test_what_was_longest_unused_goes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only files that were kept here: what else lies there, under whatever name, stays."""
    rows = PackedRows(np.arange(1000, dtype=np.int32)[None], [[(0, 1000)]])
    anchor_cache.keep({"rows": 0}, rows)
    (first,) = (home / "anchor").iterdir()
    monkeypatch.setattr(anchor_cache, "_MOST_BYTES", 3 * first.stat().st_size)
    for name in ("f" * 24 + ".safetensors", "notes.txt"):
        (home / "anchor" / name).write_text("somebody's " * 1000)
        os.utime(home / "anchor" / name, (1, 1))
    for number in range(1, 6):
        for path in (home / "anchor").iterdir():  # a minute passes
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 60))
        assert anchor_cache.read({"rows": 0})  # used all the while
        anchor_cache.keep({"rows": number}, rows)
    assert [number for number in range(6) if anchor_cache.read({"rows": number})] == [0, 4, 5]
    assert len(list((home / "anchor").iterdir())) == 5


def test_another_description_under_the_same_name_is_not_used(home: Path) -> None:
    rows = PackedRows(np.arange(10, dtype=np.int32)[None], [[(0, 10)]])
    anchor_cache.keep({"rows": 1}, rows)
    found = anchor_cache.read({"rows": 1})
    assert found
    assert np.array_equal(found.tokens, rows.tokens)
    assert found.pieces == rows.pieces
    (kept,) = (home / "anchor").iterdir()
    anchor_cache.keep({"rows": 2}, rows)
    (other,) = set((home / "anchor").iterdir()) - {kept}
    other.replace(kept)
    assert anchor_cache.read({"rows": 1}) is None
