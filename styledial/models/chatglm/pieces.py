"""Reading a sentencepiece `tokenizer.model` without sentencepiece or protobuf.

The file is one protobuf message (google/sentencepiece, src/sentencepiece_model.proto). Five of
its fields matter here, so the wire format is walked directly: a field is a varint key
(number << 3 | kind), then a varint (kind 0), 8 bytes (1), a length and bytes (2), or 4 bytes (5).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from styledial.errors import ModelError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
_BPE = 2


@dataclass
class Pieces:
    """`pieces[id]` = (text, score, kind); the flags are those of the normaliser."""

    pieces: list[tuple[str, float, int]] = field(default_factory=list)
    model_type: int = 1
    byte_fallback: bool = False
    precompiled_charsmap: bytes = b""
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True
    escape_whitespaces: bool = True


def read_pieces(path: Path) -> Pieces:
    """Raises ModelError, naming the file, for what isn't a BPE model with byte fallback."""
    result = Pieces()
    try:
        for number, value in _fields(path.read_bytes()):
            if number == 1 and isinstance(value, bytes):
                result.pieces.append(_piece(value))
            elif number == 2 and isinstance(value, bytes):
                trainer = dict(_fields(value))
                result.model_type = _number(trainer.get(3, 1))
                result.byte_fallback = bool(trainer.get(35, 0))
            elif number == 3 and isinstance(value, bytes):
                normaliser = dict(_fields(value))
                charsmap = normaliser.get(2, b"")
                result.precompiled_charsmap = charsmap if isinstance(charsmap, bytes) else b""
                result.add_dummy_prefix = bool(normaliser.get(3, 1))
                result.remove_extra_whitespaces = bool(normaliser.get(4, 1))
                result.escape_whitespaces = bool(normaliser.get(5, 1))
    except (IndexError, struct.error, UnicodeDecodeError, ValueError):
        raise _unreadable(
            path, "it is damaged or no sentencepiece file", "文件损坏或格式不对"
        ) from None
    if not result.pieces:
        raise _unreadable(path, "it holds no pieces", "其中没有词条")
    if result.model_type != _BPE or not result.byte_fallback:
        raise _unreadable(
            path,
            "ChatGLM3's is BPE with byte fallback, this one isn't",
            "ChatGLM3 的分词器是带字节回退的 BPE，此文件不是",
        )
    if result.remove_extra_whitespaces or any(kind == UNUSED for _, _, kind in result.pieces):
        raise _unreadable(
            path,
            "it folds spaces or holds unused pieces, which ChatGLM3's doesn't",
            "它会合并空格或含有未用词条，与 ChatGLM3 不符",
        )
    return result


def _piece(raw: bytes) -> tuple[str, float, int]:
    text, score, kind = "", 0.0, NORMAL
    for number, value in _fields(raw):
        if number == 1 and isinstance(value, bytes):
            text = value.decode("utf-8")
        elif number == 2 and isinstance(value, bytes):
            score = struct.unpack("<f", value)[0]
        elif number == 3:
            kind = _number(value)
    return text, score, kind


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of one message; varints as int, all else as bytes."""
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(raw, at)
            yield key >> 3, value
            continue
        if kind == 2:
            length, at = _varint(raw, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(kind)
        if at + length > len(raw):
            raise ValueError(length)
        yield key >> 3, raw[at : at + length]
        at += length


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """(value, position behind it): seven bits a byte, lowest first, top bit = more follows."""
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _number(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError(value)
    return value


def _unreadable(path: Path, en: str, zh: str) -> ModelError:
    return ModelError(
        f"{path}: cannot be used as ChatGLM3's tokenizer: {en}. Download it again.",
        f"{path}：不能作为 ChatGLM3 的分词器：{zh}。请重新下载。",
    )
