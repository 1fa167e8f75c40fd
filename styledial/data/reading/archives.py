"""Archives (.zip, .tar, .gz): their members one after the other, each in a file of its own name.

Nothing is unpacked under a name from the archive, so no path in it can lead anywhere.
"""

from __future__ import annotations

import gzip
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.reading.epub import reason_of
from styledial.errors import DataError

LARGEST = 1 << 32  # bytes unpacked, those of archives inside it included
_RATIO = 200  # text packs about 3 to 1; a bomb a thousand to one
_SMALL = 1 << 26  # bytes that no ratio is asked of


@dataclass
class Budget:
    """How many bytes may still be unpacked."""

    left: int


def members(
    path: Path, kind: str, kinds: tuple[str, ...], ledger: Ledger, budget: Budget
) -> Iterator[tuple[str, Path]]:
    """(name, file) of each member with an ending of `kinds`; the file is gone after the next step.

    What is unpacked is taken from `budget`. Raises DataError for a damaged or protected archive,
    and for one that unpacks to too much.
    """
    opened = {"zip": _zip, "tar": _tar, "gz": _gz}[kind]
    total = 0
    try:
        with tempfile.TemporaryDirectory(prefix="styledial-") as folder:
            for name, source in opened(path):
                reason = _why_not(name, kinds)
                if reason:
                    ledger.drop(Line(0, name), reason)
                    ledger.chars_in += len(name)
                    continue
                place = Path(folder) / f"member{PurePosixPath(name).suffix.lower()}"
                written = _copy(path, source, place, total, budget)
                total, budget.left = total + written, budget.left - written
                yield name, place
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        _refuse(path, reason_of(error))
    except (RuntimeError, NotImplementedError) as error:
        _refuse(path, "password" if "password" in str(error) else str(error))


def _zip(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(path) as packed:
        for item in packed.infolist():
            if not item.is_dir():
                with packed.open(item) as source:
                    yield _name(item), source


def _tar(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(path, "r:*") as packed:
        for item in packed:
            source = packed.extractfile(item) if item.isreg() else None
            if source:
                yield item.name, source


def _gz(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with gzip.open(path) as source:
        is_tar = source.read(262)[257:] == b"ustar"
    if is_tar:
        yield from _tar(path)
        return
    inner = Path(path.stem) if path.suffix.lower() == ".gz" else Path(path.name)
    with gzip.open(path) as source:
        yield inner.name if inner.suffix else f"{inner.name}.txt", source  # type: ignore[misc]


def _name(item: zipfile.ZipInfo) -> str:
    """Windows in Chinese writes names in GBK, which zipfile shows as cp437."""
    if item.flag_bits & 0x800:
        return item.filename
    try:
        return item.filename.encode("cp437").decode("gb18030")
    except UnicodeError:
        return item.filename


def _why_not(name: str, kinds: tuple[str, ...]) -> str:
    plain = PurePosixPath(name.replace("\\", "/"))
    if plain.is_absolute() or ".." in plain.parts or plain.drive:
        return "member with a path that leads outside"
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in plain.parts)
    return "member of another kind" if hidden or plain.suffix.lower() not in kinds else ""


def _copy(path: Path, source: IO[bytes], place: Path, before: int, budget: Budget) -> int:
    allowed = min(budget.left, max(_SMALL, path.stat().st_size * _RATIO) - before)
    written = 0
    with place.open("wb") as file:
        while block := source.read(1 << 20):
            written += len(block)
            if written > allowed:
                _refuse(path, f"unpacks to more than {(before + allowed) >> 20} MB")
            file.write(block)
    return written


def _refuse(path: Path, reason: str) -> None:
    raise DataError(
        f"{path}: is not an archive that can be read ({reason}). Unpack it, or remove it from the "
        "folder.",
        f"{path}：不是可读取的压缩包（{reason}）。请解压，或移出文件夹。",
    ) from None
