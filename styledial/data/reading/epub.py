"""An .epub as lines: its chapters in reading order, headings marked with # as in Markdown."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from styledial.errors import DataError

_LARGEST = 1 << 29  # bytes unpacked; a book has a few megabytes, a bomb has gigabytes
_BLOCKS = {"p", "div", "br", "li", "tr", "blockquote", "section", "article", "hr", "dd", "dt"}
_SILENT = {"script", "style", "head", "title", "nav", "rt", "rp"}  # rt: ruby glosses


def epub_lines(path: Path) -> Iterator[str]:
    """The text of an .epub, a paragraph a line.

    Memory: one unpacked book. Raises DataError where ebooklib is missing or the file is no epub.
    """
    try:
        from ebooklib import ITEM_DOCUMENT, epub
    except ImportError:
        raise DataError(
            f"{path}: reading .epub needs ebooklib. Install it: pip install 'styledial[epub]'",
            f"{path}：读取 .epub 需要 ebooklib。请安装：pip install 'styledial[epub]'",
        ) from None
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(item.file_size for item in packed.infolist())
        if size > _LARGEST:
            raise ValueError(f"{size >> 20} MB unpacked")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ebooklib announces its next defaults on each call
            book = epub.read_epub(str(path), {"ignore_ncx": True})
        items = [book.get_item_with_id(name) for name, _ in book.spine]
        pages = [
            item.get_content()
            for item in items
            if item is not None and item.get_type() == ITEM_DOCUMENT and "nav" not in item.id
        ]
    except Exception as error:  # zipfile, lxml and ebooklib each raise their own on a bad file
        reason = str(error) or type(error).__name__
        raise DataError(
            f"{path}: is not an .epub that can be read ({reason}). Remove it from the folder.",
            f"{path}：不是可读取的 .epub（{reason}）。请移出文件夹。",
        ) from None
    for page in pages:
        reader = _Reader()
        reader.feed(page.decode("utf-8", "replace"))
        reader.close()
        yield from reader.lines()


class _Reader(HTMLParser):
    """Text of a page with a line end at each block and # before each heading."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self.silent += 1
        elif re.fullmatch("h[1-6]", tag):
            self.parts.append("\n\n# ")
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self.silent = max(0, self.silent - 1)
        elif tag in _BLOCKS or re.fullmatch("h[1-6]", tag):
            self.parts.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(re.sub(r"\s*\n\s*", " ", data))

    def lines(self) -> Iterator[str]:
        for line in "".join(self.parts).split("\n"):
            text = line.strip()
            if text and text != "#":
                yield text
