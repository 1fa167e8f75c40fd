"""Text that was written in ASCII codes: quoted-printable, percents, \\uXXXX, base64, UTF-7.

Such a file holds the codes and not the text, and each is refused by its name.
"""

from __future__ import annotations

import re
from pathlib import Path

from styledial.data.reading.encodings import read_as
from styledial.errors import DataError

_ESCAPES = (
    (re.compile(rb"(?:=[0-9A-F]{2}|=\r?\n){3,}"), "quoted-printable (of e-mail)", "邮件的 QP 编码"),
    (re.compile(rb"(?:%[0-9A-Fa-f]{2}){3,}"), "percent-encoded (of addresses)", "网址的百分号编码"),
    (re.compile(rb"(?:\\u[0-9A-Fa-f]{4}){2,}"), r"escaped as \uXXXX", r"\uXXXX 转义"),
    (re.compile(rb"(?:[A-Za-z0-9+/]{60,76}={0,2}\r?\n){5,}"), "base64", " Base64 编码"),
)
_MOSTLY_CODE = 0.5  # of its bytes
_LOST = re.compile(rb"\?{2,}")
_MOSTLY_LOST = 0.3  # of the characters
_UTF7 = re.compile(rb"\+[A-Za-z0-9/]{3,}-?")


def refuse_lost(path: Path, start: bytes) -> None:
    """Raises DataError where question marks stand in the place of most letters."""
    if len(b"".join(_LOST.findall(start))) > len(b"".join(start.split())) * _MOSTLY_LOST:
        raise DataError(
            f"{path}: its letters were lost in a conversion (question marks stand in their "
            "place). Take the original file.",
            f"{path}：文字已在转换中丢失（变成了问号）。请改用原始文件。",
        )


def refuse_codes(path: Path, start: bytes) -> None:
    """Raises DataError where the beginning of a file, which is ASCII, is mostly codes."""
    json = start.lstrip()[:1] in (b"{", b"[")  # writes all characters so
    for code, en, zh in () if json else _ESCAPES:
        if len(b"".join(code.findall(start))) > len(start) * _MOSTLY_CODE:
            raise DataError(
                f"{path}: is {en}, not the text itself. Decode it and save it as UTF-8.",
                f"{path}：内容是{zh}，不是正文本身。请解码后另存为 UTF-8。",
            )
    if len(_UTF7.findall(start)) > 2 and (utf7 := read_as(start, "utf-7")) and utf7.plausible:
        raise DataError(
            f"{path}: is UTF-7, an encoding of e-mail. Save it as UTF-8.",
            f"{path}：是 UTF-7（电子邮件用的编码）。请另存为 UTF-8。",
        )
