"""Standard output and error that survive a closed terminal."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, TextIO


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


def outlive_the_terminal() -> None:
    """From here on nothing that is printed can fail."""
    sys.stdout, sys.stderr = Lasting(sys.stdout), Lasting(sys.stderr)
