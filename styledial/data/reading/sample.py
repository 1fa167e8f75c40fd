"""Sample lines for encoding detection: those with bytes outside ASCII."""

from __future__ import annotations

import re
from pathlib import Path

BLOCK = 1 << 18  # bytes read at once
_SAMPLE = 1 << 16  # bytes that encoding detection looks at
_FOREIGN_LINE = re.compile(rb"[^\n\r]*[\x80-\xff][^\n\r]*")


def foreign_lines(path: Path) -> list[bytes]:
    """Lines with bytes outside ASCII from all over the file, _SAMPLE bytes of them in all."""
    parts = min(64, path.stat().st_size // BLOCK + 1)
    # Where such lines are many a short look at each place finds them.
    return _lines_at(path, parts, BLOCK // 16 if parts > 8 else BLOCK) or _lines_at(
        path, parts, BLOCK
    )


def _lines_at(path: Path, parts: int, length: int) -> list[bytes]:
    size = path.stat().st_size
    taken: list[bytes] = []
    with path.open("rb") as file:
        for part in range(parts):
            file.seek(size * part // parts)
            block = file.read(length)
            found = _FOREIGN_LINE.findall(block[block.find(b"\n") + 1 if part else 0 :])
            held = 0
            for line in found[:: max(1, len(found) * parts // 2000)]:
                taken.append(line[:_SAMPLE])
                held += len(line)
                if held > _SAMPLE // parts:
                    break
    return taken


def foreign_bytes(line: bytes) -> int:
    """How many bytes of the line are outside ASCII."""
    return sum(byte > 0x7F for byte in line)


def is_utf8(line: bytes) -> bool:
    """Whether the line is valid UTF-8."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
