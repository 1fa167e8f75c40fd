"""What a command shows, recorded: on a terminal (a pty) of 80 columns, or without one."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.cells import cell_len

COLUMNS = 80
FIRST_LINE, SILENCE = 0.5, 10.0  # seconds
# Without a terminal a line comes every ten seconds; the clock of a thread is not that exact.
_SLACK = 0.5


@dataclass
class Recording:
    """`frames`: what stood in the last line while it was redrawn; `left`: what is left."""

    left: str = ""
    frames: list[str] = field(default_factory=list)
    first: float | None = None
    silence: float = 0.0
    quiet_after: str = ""
    seconds: float = 0.0
    code: int = 0

    def heard(self, now: float, words: str) -> None:
        """Something was said `now`, seconds from the start."""
        silence = now - self.seconds
        if self.first is not None and silence > self.silence:
            self.silence, self.quiet_after = silence, self._last
        if self.first is None and words.strip():
            self.first = now
        self.seconds, self._last = now, words.strip().splitlines()[-1] if words.strip() else ""

    _last = ""

    @property
    def missed(self) -> list[str]:
        """What isn't as it should be."""
        found = []
        if self.code:
            found.append(f"exit code {self.code}")
        if self.first is None or self.first > FIRST_LINE:
            found.append(f"first line after {self.first or self.seconds:.2f} s")
        if self.silence > SILENCE + _SLACK:
            found.append(f"silent for {self.silence:.1f} s after: {self.quiet_after}")
        return found


class Terminal:
    """What a bar needs of a terminal: carriage return, cursor up, clear line, wide letters."""

    _CODE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b\][^\x07]*\x07|\x1b[=>78]")

    def __init__(self) -> None:
        self.rows: list[str] = [""]
        self.at, self.column = 0, 0

    def feed(self, text: str) -> None:
        """Text with control codes, as the program wrote it."""
        place = 0
        while place < len(text):
            code = self._CODE.match(text, place)
            if code:
                self._control(code[1] or "", code[2] or "")
                place = code.end()
                continue
            self._letter(text[place])
            place += 1

    def _control(self, numbers: str, kind: str) -> None:
        if kind == "A":
            self.at = max(0, self.at - int(numbers or 1))
        elif kind == "K":
            row = self.rows[self.at]
            self.rows[self.at] = "" if numbers == "2" else _cut(row, self.column)

    def _letter(self, letter: str) -> None:
        if letter == "\r":
            self.column = 0
        elif letter == "\n":
            self._down()
        elif letter >= " ":
            width = cell_len(letter)
            if self.column + width > COLUMNS:
                self._down()
                self.column = 0
            before = _cut(self.rows[self.at], self.column)
            after = self.rows[self.at][len(_cut(self.rows[self.at], self.column + width)) :]
            self.rows[self.at] = before + letter + after
            self.column += width

    def _down(self) -> None:
        self.at += 1
        if self.at == len(self.rows):
            self.rows.append("")

    @property
    def line(self) -> str:
        """The line in which the cursor stands."""
        return self.rows[self.at].rstrip()

    @property
    def text(self) -> str:
        """Everything that stands there."""
        return "\n".join(row.rstrip() for row in self.rows).strip("\n")


def _cut(row: str, columns: int) -> str:
    taken, width = 0, 0
    for letter in row:
        width += cell_len(letter)
        if width > columns:
            break
        taken += 1
    return row[:taken] + " " * max(0, columns - cell_len(row))


def on_a_terminal(words: list[str], cwd: Path, env: dict[str, str]) -> Recording:
    """Run it with a pty as its stdin, stdout and stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    found, screen, seen = Recording(), Terminal(), []
    began = time.monotonic()
    process = subprocess.Popen(
        words, cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    for chunk in _chunks(ours):
        screen.feed(chunk)
        found.heard(time.monotonic() - began, screen.line or screen.text)
        if screen.line:
            seen.append(screen.line)
    found.code = process.wait()
    found.left = screen.text
    found.frames = _different([line for line in seen if line not in found.left])
    return found


def _chunks(source: int) -> Iterator[str]:
    """What arrives, as soon as it does; whole letters only."""
    waiting = b""
    while True:
        try:
            new = os.read(source, 1 << 16)
        except OSError:  # a pty whose other end is closed
            new = b""
        if not new:
            return
        waiting += new
        text = waiting.decode("utf-8", errors="ignore")
        waiting = waiting[len(text.encode()) :]
        yield text


def without_one(words: list[str], cwd: Path, env: dict[str, str]) -> Recording:
    """Run it with a pipe for stdout and stderr."""
    found, said, began = Recording(), [], time.monotonic()
    process = subprocess.Popen(
        words,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout
    for chunk in _chunks(process.stdout.fileno()):
        said.append(chunk)
        found.heard(time.monotonic() - began, chunk)
    found.code = process.wait()
    found.left = "".join(said).strip("\n")
    return found


def _different(lines: list[str]) -> list[str]:
    """One of each thing that the bar said: figures apart, the same words are the same thing. The
    second of a kind is taken where there is one, as the first has hardly begun."""
    kinds: dict[str, list[str]] = {}
    for line in lines:
        shown = re.sub(r"^[-\\|/] ", "", line)
        words = re.sub(r"[\d.,%]+|[━╸╺]+", "", shown)
        words = re.sub(r"(s|min|h) (left|so far).*|about.*|约剩.*|已用.*", "", words).strip()
        kinds.setdefault(words, []).append(re.sub(r"\s+", " ", shown))
    return [each[min(1, len(each) - 1)] for words, each in kinds.items() if words]
