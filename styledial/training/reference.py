"""The reference's hidden states, computed once and kept on disk.

The output head is frozen, so all that a later epoch needs of the base is its final hidden state:
d numbers per token (7 KB at d = 3584 in bf16) instead of a forward pass. Rows are kept in a
memory-mapped file beside a table of checksums:

    reference-FINGERPRINT.bin   [rows, T, d] in the model's own precision, bf16 on a GPU
    reference-FINGERPRINT.crc   uint32 [rows]; 0 = not there yet

The fingerprint covers the model, the tokens and their packing; a row is used only if its
checksum agrees, so neither a stale file nor one cut short by a crash is ever trusted. What is
read back is bit for bit what the pass gave, so a run with the cache is the run without it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from styledial.data.pack import Batch, PackedRows
from styledial.models.policy import Policy

# Fraction of the free disk that `auto` does not use.
_LEAVE_FREE = 0.2


class ReferenceCache:
    """Hidden states of `rows` rows; safe to share between the processes of one machine."""

    def __init__(
        self, folder: Path, fingerprint: str, shape: tuple[int, int, int], dtype: torch.dtype
    ) -> None:
        """`shape` is (rows, T, d); takes `cache_bytes` of disk as rows are written."""
        folder.mkdir(parents=True, exist_ok=True)
        self.dtype = dtype
        bits = np.uint16 if dtype.itemsize == 2 else np.uint32
        self._data = _Rows(folder / f"reference-{fingerprint}.bin", bits, shape)
        self._sums = _Rows(folder / f"reference-{fingerprint}.crc", np.uint32, shape[:1])
        self._full = False
        self._checked: set[int] = set()
        self._pending: list[tuple[Sequence[int], Tensor, Any]] = []

    def present(self, rows: Sequence[int]) -> list[int]:
        """Which of `rows`, by place, are there and whole."""
        self._write_pending()
        return [place for place, row in enumerate(rows) if self._has(row)]

    def get(self, rows: Sequence[int], device: torch.device) -> Tensor | None:
        """[len(rows), T, d] on the device, or None unless every row is there and whole."""
        if len(self.present(rows)) < len(rows):
            return None
        found = torch.from_numpy(self._data.array[list(rows)]).view(self.dtype)
        if device.type == "cuda":
            found = found.pin_memory()
        return found.to(device, non_blocking=True)

    def put(self, rows: Sequence[int], hidden: Tensor) -> None:
        """Take the rows' hidden states; they are written once the device has delivered them."""
        if self._full or all(self._has(row) for row in rows):
            return
        event = None
        if hidden.is_cuda:
            # Copied asynchronously and written at the next call: no wait here.
            host = torch.empty(hidden.shape, dtype=self.dtype, pin_memory=True)
            host.copy_(hidden, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        else:
            host = hidden.to(self.dtype)
        self._pending.append((rows, host, event))
        if event is None:
            self._write_pending()

    def _write_pending(self) -> None:
        for rows, host, event in self._pending:
            if event is not None:
                event.synchronize()  # of the step before: long done
            values = host.contiguous().view(_bits(self.dtype)).numpy()
            for row, value in zip(rows, values, strict=True):
                if self._full or self._has(row):
                    continue
                try:
                    self._data.write(row, value)
                    self._sums.write(row, np.uint32(_checksum(value)))
                except OSError:  # the disk is full: rows already cached are used
                    self._full = True
                else:
                    self._checked.add(row)
        self._pending.clear()

    def _has(self, row: int) -> bool:
        if not self._sums.array[row]:
            return False
        if row not in self._checked:
            if _checksum(self._data.array[row]) != self._sums.array[row]:
                return False
            self._checked.add(row)
        return True


def cache_bytes(shape: tuple[int, int, int], dtype: torch.dtype) -> int:
    """Disk that a cache takes."""
    return math.prod(shape) * dtype.itemsize


def _bits(dtype: torch.dtype) -> torch.dtype:
    """numpy knows no bf16: the bits travel as unsigned integers of the same size."""
    return torch.uint16 if dtype.itemsize == 2 else torch.uint32


def has_room(folder: Path, wanted: int) -> bool:
    """Whether `wanted` bytes fit and leave a fifth of the free space to others."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return wanted <= (1 - _LEAVE_FREE) * shutil.disk_usage(there).free


def contents(policy: Policy, rows: PackedRows) -> str:
    """Fingerprint of the base's weights (the first values of each), tokens and packing."""
    digest = hashlib.sha256(policy.digests.first_values)
    digest.update(np.ascontiguousarray(rows.tokens).tobytes())
    digest.update(json.dumps(rows.pieces).encode())
    return digest.hexdigest()


def fingerprint(described: list[Any], policy: Policy, rows: PackedRows) -> str:
    """Of all that decides a hidden state: the base's configuration and weights, tokens and
    packing. `described` is what else the caller names the states by."""
    with policy.as_base() as base:
        about = [described, base.config.to_dict(), policy.digests.sampled]
        config = json.dumps(about, default=str)
    return hashlib.sha256((config + contents(policy, rows)).encode()).hexdigest()[:16]


class _Rows:
    """An array on disk: read through memory, written through the file.

    A write through memory to a full disk would be no error but the end of the process (SIGBUS).
    """

    def __init__(self, path: Path, dtype: Any, shape: tuple[int, ...]) -> None:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if not path.exists() or path.stat().st_size != size:
            with path.open("wb") as file:
                file.truncate(size)  # zeros, and no disk until written
        self.array = np.memmap(path, dtype=dtype, mode="r", shape=shape)
        self._path = path

    def write(self, row: int, value: Any) -> None:
        """Raises OSError where the disk takes no more."""
        content = value.tobytes()
        with self._path.open("r+b", buffering=0) as file:
            file.seek(row * len(content))
            if file.write(content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _checksum(values: np.ndarray) -> int:
    return zlib.crc32(values.tobytes()) or 1


class References:
    """The base's hidden states of a micro-batch: from a cache, else by a pass without the adapter.

    `style` and `anchor` are caches for the two kinds of rows, or None; `of_style`: whether KL is
    asked on style rows at all.
    """

    def __init__(
        self,
        policy: Policy,
        style: ReferenceCache | None,
        anchor: ReferenceCache | None,
        *,
        of_style: bool = True,
    ) -> None:
        self.policy, self.of_style = policy, of_style
        self._style, self._anchor = style, anchor
        self.saved = 0  # rows that needed no pass of the base

    def __call__(self, batch: Batch, rows: list[int], *, anchor: bool) -> Tensor:
        """[B, T, d]; free of a forward pass for rows that have been seen."""
        cache = self._anchor if anchor else self._style
        found = cache.get(rows, batch.input_ids.device) if cache else None
        if found is not None:
            self.saved += len(rows)
            return found
        hidden = self.policy.reference(batch.input_ids, batch.position_ids)
        if cache:
            # A row's last bits may depend on its neighbours in the batch. What is used is always
            # what was written first, so that a resumed run, which finds more rows, sees the same.
            if len(set(rows)) < len(rows):
                hidden = hidden[[rows.index(row) for row in rows]]
            there = cache.present(rows)
            earlier = cache.get([rows[i] for i in there], hidden.device) if there else None
            if earlier is not None:
                hidden[there] = earlier
            cache.put(rows, hidden)
        return hidden
