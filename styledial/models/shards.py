"""The weight files of a model folder, and the tensors in their headers.

safetensors (github.com/huggingface/safetensors): 8 bytes with the header's length, the header as
JSON {name: {dtype, shape, data_offsets}}, then the data. Reading headers is enough to know every
weight's name and shape and to notice a truncated file, without touching gigabytes.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styledial.errors import ModelError
from styledial.files import read_json

if TYPE_CHECKING:
    from torch import Tensor

_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_SINGLES = ("model.safetensors", "pytorch_model.bin")
_HEADER_LIMIT = 100_000_000  # the format's own
_BLOCK = 4096  # bytes; what a disk reads at least


@dataclass(frozen=True)
class Header:
    """What a safetensors header says of one weight."""

    dtype: str
    shape: tuple[int, ...]
    file: str
    place: tuple[int, int] = (0, 0)  # first and last byte within the file


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights, safetensors before pickles, in shard order.

    Raises ModelError naming the first shard that the index lists and the folder lacks, or the
    folder if there are no weights at all, or two sets of which transformers would take one.
    """
    for index_name, single_name in zip(_INDEXES, _SINGLES, strict=True):
        index = folder / index_name
        if index.is_file() and (folder / single_name).is_file():
            raise _two_sets(folder, single_name, index_name)
        if index.is_file():
            files = [folder / name for name in sorted(set(_weight_map(index).values()))]
            absent = [path.name for path in files if not path.is_file()]
            if absent:
                more = len(absent) - 1
                raise ModelError(
                    f"{folder}: {absent[0]} is missing"
                    + (f" (and {more} more)" if more else "")
                    + f", which {index_name} lists. Download the model again: what is there "
                    "is kept.",
                    f"{folder}：缺少 {absent[0]}"
                    + (f"（另缺 {more} 个）" if more else "")
                    + f"，{index_name} 中列有该文件。请重新下载，已有文件会保留。",
                )
            return files
        if (folder / single_name).is_file():
            return [folder / single_name]
    raise ModelError(
        f"{folder}: has no weights (model.safetensors, or shards with an index). Download the "
        "model again, or name the folder that has them.",
        f"{folder}：没有权重（model.safetensors，或带索引的分片）。请重新下载，"
        "或写包含权重的文件夹。",
    )


def _two_sets(folder: Path, single: str, index: str) -> ModelError:
    return ModelError(
        f"{folder}: contains two copies of the weights: {single}, and the shards listed in "
        f"{index}; they may be different versions. Move {single} elsewhere, or {index} with its "
        "shards.",
        f"{folder}：其中有两份权重：{single}，以及 {index} 所列的分片，二者可能是不同版本。"
        f"请移走 {single}，或移走 {index} 及其分片。",
    )


def _weight_map(index: Path) -> dict[str, str]:
    try:
        content = read_json(index)
        listed = content["weight_map"]
        # transformers wants the metadata too, whatever it says.
        if (
            "metadata" in content
            and isinstance(listed, dict)
            and all(_plain(name) for name in listed.values())
        ):
            return listed
    except (ValueError, KeyError, TypeError):
        listed = None
    raise ModelError(
        f"{index}: is damaged: it should have `metadata` and list the weights and their files. "
        "Download it again.",
        f"{index}：已损坏，应有 metadata 并列出各权重所在文件。请重新下载。",
    )


def _plain(name: Any) -> bool:
    """A shard lies beside its index; a path that leads elsewhere is refused."""
    return isinstance(name, str) and name == Path(name).name and "\\" not in name


def safetensors_headers(path: Path) -> dict[str, Header]:
    """Weight name -> header. Raises ModelError, naming the file, if it is cut short or damaged."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _HEADER_LIMIT):
            raise _damaged(path, f"{size:,} bytes", f"{size:,} 字节")
        try:
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
            found = {
                name: Header(
                    entry["dtype"],
                    tuple(entry["shape"]),
                    path.name,
                    (8 + length + entry["data_offsets"][0], 8 + length + entry["data_offsets"][1]),
                )
                for name, entry in header.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise _damaged(path, "no readable header", "文件头无法读取") from None
    if size != 8 + length + end:
        raise _damaged(
            path,
            f"{size:,} bytes where its header makes it {8 + length + end:,}",
            f"实有 {size:,} 字节，按文件头应为 {8 + length + end:,}",
        )
    return found


def sampled_weights(files: list[Path]) -> Iterator[bytes]:
    """Three blocks of each tensor after its name, dtype and shape, in the order of the names; of a
    pickle, whose tensors can't be told apart without unpickling, blocks all over the file."""
    places: list[tuple[str, Header, Path, int, int]] = []
    for path in files:
        if path.suffix != ".safetensors":
            yield f"{path.name} {path.stat().st_size}".encode()
            yield from sampled_file(path)
            continue
        for name, header in safetensors_headers(path).items():
            places.append((name, header, path, *header.place))
    for name, header, path, start, end in sorted(places, key=lambda each: each[0]):
        yield f"{name} {header.dtype} {header.shape}".encode()
        yield from _blocks(path, start, end, 3)


def sampled_file(path: Path) -> Iterator[bytes]:
    """Blocks all over a file."""
    return _blocks(path, 0, path.stat().st_size, 64)


def _blocks(path: Path, start: int, end: int, count: int) -> Iterator[bytes]:
    """`count` blocks of the bytes from `start` to `end`: first, last, and evenly between."""
    last = max(end - _BLOCK, start)
    with path.open("rb") as file:
        for i in range(count):
            file.seek(start + (last - start) * i // (count - 1))
            yield file.read(min(_BLOCK, end - start))


@contextmanager
def opened(path: Path) -> Iterator[Iterator[tuple[str, Tensor]]]:
    """(name, weight) of one file, one at a time, on the CPU; pickles are read weights-only.

    Raises ModelError for a damaged file or a pickle that holds more than weights.
    """
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        safetensors_headers(path)
        with safe_open(path, framework="pt") as file:
            yield ((name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118
        return
    yield iter(_read_pickle(path).items())


def check_pickle_is_whole(path: Path) -> None:
    """A `.bin` is a zip archive, whose table stands at its end: cut short, it has none.

    Raises ModelError, naming the file. Nothing in it is unpickled.
    """
    with path.open("rb") as file:
        start = file.read(2)
    if start != b"\x80\x02" and not zipfile.is_zipfile(path):  # \x80\x02: before torch 1.6
        size = path.stat().st_size
        raise _damaged(path, f"{size:,} bytes", f"{size:,} 字节")


def _read_pickle(path: Path) -> dict[str, Tensor]:
    """A `.bin` shard, mapped rather than read where its format allows."""
    import pickle

    import torch

    try:
        zipped = zipfile.is_zipfile(path)
        weights = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped or None)
    except (pickle.UnpicklingError, RuntimeError, EOFError, zipfile.BadZipFile, ValueError):
        raise ModelError(
            f"{path}: cannot be read: it is damaged, or holds more than weights (code in it is "
            "not run). Download it again, as .safetensors if there is one.",
            f"{path}：无法读取：文件损坏，或含有权重以外的内容（其中的代码不会执行）。"
            "请重新下载，有 .safetensors 则优先。",
        ) from None
    if not isinstance(weights, dict) or not all(
        isinstance(w, torch.Tensor) for w in weights.values()
    ):
        raise ModelError(
            f"{path}: contains no state dict. Download it again.",
            f"{path}：其中没有权重字典（state dict）。请重新下载。",
        )
    return weights


def _damaged(path: Path, en: str, zh: str) -> ModelError:
    return ModelError(
        f"{path}: is truncated or damaged ({en}). Download the model again: intact files are kept.",
        f"{path}：不完整或已损坏（{zh}）。请重新下载，完好的文件会保留。",
    )
