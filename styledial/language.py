"""The language of what the user reads: every sentence is written twice, side by side."""

import locale
import os
import re
import shlex
from pathlib import Path

LANGUAGES = ("en", "zh")
_ALSO = {"中文": "zh", "汉语": "zh", "cn": "zh", "chinese": "zh", "英文": "en", "英语": "en"}
_UNDECODED = re.compile("[\udc80-\udcff]")  # bytes of a file's name that are no UTF-8


def language() -> str:
    """`en` or `zh`: STYLEDIAL_LANG if set, else the locale of the terminal."""
    asked = os.environ.get("STYLEDIAL_LANG", "").strip().lower()
    asked = _ALSO.get(asked, asked)
    if asked[:2] in LANGUAGES:
        return asked[:2]
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "")
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    # Windows sets none of these variables.
    return "zh" if (locale.getlocale()[0] or "").lower().startswith(("zh", "chinese")) else "en"


def say(en: str, zh: str) -> str:
    """The one of the two sentences that this user reads."""
    return zh if language() == "zh" else en


def typed(path: Path | str) -> str:
    """A path or word as it is typed after a command: in quotes where it has a space or the like.

    shlex would quote Chinese characters too, which no shell asks for. A path that begins with a
    dash, which would be read as an option, is written from the folder here.
    """
    text = f"./{path}" if isinstance(path, Path) and str(path).startswith("-") else str(path)
    if _UNDECODED.search(text):
        quoted = text.replace("\\", r"\\").replace("'", r"\'")
        return "$'" + _UNDECODED.sub(_as_hex, quoted) + "'"
    plain = "".join("x" if not c.isascii() else c for c in text)
    return text if shlex.quote(plain) == plain else shlex.quote(text)


def _as_hex(byte: re.Match[str]) -> str:
    return rf"\x{ord(byte[0]) - 0xDC00:02x}"
