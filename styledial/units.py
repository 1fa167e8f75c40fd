"""Sizes in words: memory by powers of 1024, as GPUs have it; disks and downloads by 1000, as hubs do."""  # noqa: E501

from __future__ import annotations

# (unit, bytes in it, decimals), largest first; the last takes what is smaller.
_MEMORY = (("GiB", 2**30, 2), ("MiB", 2**20, 0))
_DISK = (("GB", 10**9, 1), ("MB", 10**6, 1), ("kB", 10**3, 1), ("B", 1, 0))


def memory_size(count: float) -> str:
    """Bytes of memory: 3.00 GiB, 512 MiB."""
    return _in_words(count, _MEMORY)


def disk_size(count: float) -> str:
    """Bytes on a disk or to download: 3.1 GB, 900.0 kB."""
    return _in_words(count, _DISK)


def _in_words(count: float, units: tuple[tuple[str, int, int], ...]) -> str:
    name, size, decimals = next((unit for unit in units if count >= unit[1]), units[-1])
    return f"{count / size:,.{decimals}f} {name}"
