"""Output to a terminal that may be gone or lack characters, and text typed in another encoding."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from styledial.errors import UserError


class Lasting:
    """A text stream whose reader may leave: what can't be written then is dropped.

    A closed terminal or ssh connection must not end a run that is about to save itself.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As TextIO.write; text that the stream refuses counts as written."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As TextIO.flush; a stream that refuses is left alone."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def show_any_character() -> None:
    """A terminal in GBK lacks characters; those are written as \\uXXXX, and no text is lost."""
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _open_closed() -> None:
    """Streams that were closed when the program started (`2>&-`, some daemons) lead nowhere: else
    the next file that is opened takes their number, and libraries write their warnings into it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - stays


def printable(text: str) -> str:
    """Without the control characters that a terminal would act on."""
    return "".join(c for c in text if c in "\n\t" or c.isprintable() or ord(c) > 0x9F)


def typed_text(option: str, text: str) -> str:
    """What was typed for `option`, also by a terminal in GBK on a system in UTF-8.

    Python keeps bytes that aren't UTF-8 as surrogates. Read as Chinese they are taken where most
    of the result is everyday characters; else UserError.
    """
    if not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    with contextlib.suppress(UnicodeError):  # of either: half a character from another program
        raw = text.encode(sys.getfilesystemencoding(), "surrogateescape")
        found = raw.decode("gb18030")
        if _is_everyday_chinese(found):
            return found
    raise UserError(
        f"{option}: is not text in {sys.getfilesystemencoding()}, the encoding of this terminal, "
        "nor in GBK. Set the terminal to UTF-8 and type it again.",
        f"{option}：不是终端编码 {sys.getfilesystemencoding()} 的文字，也不是 GBK。"
        "请把终端设为 UTF-8 后重新输入。",
    )


def _is_everyday_chinese(text: str) -> bool:
    """Whether most of what isn't ASCII is in the first part of GB2312: 3,755 characters, marks."""
    wide = [character.encode("gb2312", "replace") for character in text if ord(character) > 127]
    known = [code for code in wide if code[0] <= 0xA3 or 0xB0 <= code[0] <= 0xD7]
    return bool(wide) and sum(len(code) == 2 for code in known) > 0.8 * len(wide)


def outlive_the_terminal() -> None:
    """From here on nothing that is printed can fail."""
    sys.stdout, sys.stderr = Lasting(sys.stdout), Lasting(sys.stderr)
