"""Lines of --help that fit the terminal in Chinese too.

Typer counts characters, and a Chinese one takes two columns: its lines would be up to twice as wide
as the terminal, and its columns out of line. Here columns are counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

# What is never divided: a word, or one character of Chinese, with the marks that belong to it.
_OPENS, _CLOSES, _WIDE = "（“「《", "，。；：、！？）”」》", "\u2e80-\u9fff\uff00-\uffef"
_WORD = rf"[^\s{_WIDE}{_OPENS}{_CLOSES}]+"
_PIECE = re.compile(rf"\s+|[{_OPENS}]*(?:{_WORD}|[{_WIDE}])[{_CLOSES}]*|.")
_WIDEST_FIRST = 30


def folded(text: str, width: int) -> list[str]:
    """`text`, one paragraph, as lines of at most `width` columns (a longer word has its own)."""
    from rich.cells import cell_len

    lines, line = [], ""
    for piece in _PIECE.findall(text):
        if not piece.strip():
            line += " " if line else ""
        elif line and cell_len(line + piece) > width:
            lines.append(line.rstrip())
            line = piece
        else:
            line += piece
    return [*lines, line.rstrip()] if line.strip() else lines


class ByColumns:
    """Put before Typer's formatter as a base class: its texts and tables, counted in columns."""

    width: int
    current_indent: int
    write: Callable[[str], None]
    translated: Callable[[str], str]

    def write_text(self, text: str) -> None:
        """Paragraphs, which an empty line divides."""
        indent = " " * self.current_indent
        paragraphs = [
            "\n".join(indent + line for line in folded(each, self.width - self.current_indent))
            for each in re.split(r"\n\s*\n", text)
        ]
        self.write("\n\n".join(paragraphs) + "\n")

    def write_dl(self, rows: Sequence[tuple[str, str]], *_: Any, **__: Any) -> None:
        """A table of two columns: options and what they do."""
        from rich.cells import cell_len

        shown = [(first, self.translated(second)) for first, second in rows]
        column = 2 + min(_WIDEST_FIRST, max((cell_len(first) for first, _ in shown), default=0))
        indent = " " * self.current_indent
        for first, second in shown:
            lines = folded(second, max(self.width - self.current_indent - column, 10))
            if cell_len(first) > column - 2 or not lines:
                self.write(f"{indent}{first}\n")
            else:
                gap = " " * (column - cell_len(first))
                self.write(f"{indent}{first}{gap}{lines.pop(0)}\n")
            self._write_under(lines, len(indent) + column)

    def _write_under(self, lines: Iterable[str], column: int) -> None:
        for line in lines:
            self.write(f"{'':>{column}}{line}\n")


def by_columns(formatter: type, translated: Callable[[str], str]) -> type:
    """A class of `formatter`'s kind (Typer's HelpFormatter) that counts columns.

    `translated` gives a text of Typer's in the user's language, before it is divided into lines.
    """
    return type("Formatter", (ByColumns, formatter), {"translated": staticmethod(translated)})
