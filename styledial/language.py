"""The language of what the user reads: every sentence is written twice, side by side."""

import locale
import os
import shlex
from pathlib import Path

LANGUAGES = ("en", "zh")


def language() -> str:
    """`en` or `zh`: STYLEDIAL_LANG if set, else the locale of the terminal."""
    asked = os.environ.get("STYLEDIAL_LANG", "").lower()
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
    plain = "".join("x" if not c.isascii() else c for c in text)
    return text if shlex.quote(plain) == plain else shlex.quote(text)
