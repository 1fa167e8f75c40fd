"""Sample lines for encoding detection: those with bytes outside ASCII."""

from __future__ import annotations

from pathlib import Path

BLOCK = 1 << 18  # bytes read at once
# What a crash leaves where a file had been enlarged and not yet written; a whole number of
# characters in any encoding.
_NEVER_WRITTEN = bytes(8)
_SAMPLE = 1 << 16  # bytes that encoding detection looks at


def as_stored(raw: bytes) -> bytes:
    """`raw` without runs of zeros, which no text has."""
    return raw.replace(_NEVER_WRITTEN, b"") if _NEVER_WRITTEN in raw else raw


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
            block = as_stored(file.read(length))
            found = _foreign(block[block.find(b"\n") + 1 if part else 0 :])
            held = 0
            for line in found[:: max(1, len(found) * parts // 2000)]:
                taken.append(line[:_SAMPLE])
                held += len(line)
                if held > _SAMPLE // parts:
                    break
    return taken


def _foreign(block: bytes) -> list[bytes]:
    """The lines that aren't ASCII. Time in proportion to the block, however long its lines."""
    if block.isascii():
        return []
    return [line for line in block.replace(b"\r", b"\n").split(b"\n") if not line.isascii()]


def foreign_bytes(line: bytes) -> int:
    """How many bytes of the line are outside ASCII."""
    return len(line) - len(line.decode("ascii", "ignore"))


def foreign_letters(text: str) -> int:
    """How many characters of the text are outside ASCII."""
    return len(text) - len(text.encode("ascii", "ignore"))


def is_utf8(line: bytes) -> bool:
    """Whether the line is valid UTF-8."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
