"""An .rtf as text: striprtf reads it, once its bytes say what striprtf can understand.

Old word processors wrote code pages that Python names otherwise, and letters as plain bytes where
the format asks for escapes; cells of a table and links would leave marks of striprtf's own.
"""

from __future__ import annotations

import re
from typing import Any

from styledial.data.reading.encodings import decide, readings

_HEAD = 4096  # bytes in which the code page stands
_PAGE = re.compile(rb"\\ansicpg(\d{1,5})|\\(mac|pca?)(?=[\\ \r\n{])")
# Code pages of the Macintosh and of DOS, which Python has under other names.
_PAGES = {
    "mac": "mac_roman", "10000": "mac_roman", "10006": "mac_greek", "10007": "mac_cyrillic",
    "10029": "mac_latin2", "10081": "mac_turkish", "10001": "cp932", "10002": "big5hkscs",
    "10003": "cp949", "10008": "gb18030", "936": "gb18030", "950": "big5hkscs", "65001": "utf-8",
    "pc": "cp437", "pca": "cp850",
}  # fmt: skip
# A backslash of the text is written twice: C:\\bin7 names a folder.
_BINARY = re.compile(rb"\\\\|\\bin(\d{1,9}) ?")
_CELL = re.compile(rb"(\\\\)|\\(?:nest)?cell(?![a-z])")
_LINK = re.compile(rb"(\\fldinst[^{}]{0,40}?(?:\{[^{}]{0,80}?)?)HYPERLINK")
# Of the two bytes of a Chinese or Japanese character Word escapes the second only where it is no
# letter; striprtf puts together what is escaped.
_TWO_BYTES = re.compile(rb"\\(?:ansicpg(?:932|936|949|950)|fcharset(?:128|129|130|134|136))(?!\d)")
_HALF = re.compile(rb"\\'([89a-fA-F][0-9a-fA-F])(?:\\'[0-9a-fA-F]{2}|([@-\[\]-z|~]))")


def rtf_text(raw: bytes, rtf_to_text: Any) -> str:
    """The text of an RTF file; `rtf_to_text` is striprtf's."""
    encoding = _declared(raw)
    raw = _without_binary(raw)
    plain = _LINK.sub(rb"\1LINK", _CELL.sub(lambda found: found[1] or rb"\par", raw))
    if not plain.isascii():
        encoding, plain = _escaped(plain, encoding)
    if _TWO_BYTES.search(plain):
        plain = _HALF.sub(_whole, plain)
    # What is declared goes: it would win over what was found.
    plain = _PAGE.sub(b"", plain[:_HEAD]) + plain[_HEAD:]
    text = str(rtf_to_text(plain.decode("ascii"), encoding=encoding or "cp1252", errors="replace"))
    # Characters beyond the first plane are written in two halves.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _without_binary(raw: bytes) -> bytes:
    """The file without what stands in it as bytes, such as pictures: \\bin and their number."""
    parts: list[bytes] = []
    at = 0
    while (found := _BINARY.search(raw, at)) is not None:
        parts.append(raw[at : found.start()] if found[1] else raw[at : found.end()])
        at = found.end() + int(found[1] or 0)
    return b"".join([*parts, raw[at:]])


def _whole(found: re.Match[bytes]) -> bytes:
    return b"\\'%s\\'%02x" % (found[1], ord(found[2])) if found[2] else found[0]


def _declared(raw: bytes) -> str:
    """Python's name for the code page that the file declares; nothing where it has none."""
    names = [(page or word).decode() for page, word in _PAGE.findall(raw[:_HEAD])]
    pages = [name for name in names if name.isdecimal()]  # \\ansicpg says more than \\mac
    name = (pages or names or [""])[0]
    known = _PAGES.get(name, f"cp{name}" if name else "")
    try:
        "".encode(known or "ascii")
    except LookupError:
        return ""
    return known


def _escaped(raw: bytes, declared: str) -> tuple[str, bytes]:
    """(encoding, the bytes with their letters escaped). Some characters of Chinese and Japanese
    have a byte in them that RTF would read as one of its own marks."""
    encoding = "utf-8" if _is_utf8(raw) else declared
    if not encoding:
        foreign = b"\n".join(line for line in re.split(rb"[\r\n]", raw) if not line.isascii())
        found = decide(readings(foreign))
        encoding = found.encoding if found else "cp1252"
    text = raw.decode(encoding, "replace")
    parts = (
        "".join(f"\\'{byte:02x}" for byte in c.encode(encoding, "replace")) if c > "\x7f" else c
        for c in text
    )
    return encoding, "".join(parts).encode("ascii")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
