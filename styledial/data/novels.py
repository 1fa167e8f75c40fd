"""A folder of novels -> passages, split into training and held-out text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from styledial.data.passage import Passage
from styledial.errors import DataError

_ENCODINGS = ("utf-8-sig", "gb18030")


def read_novels(folder: Path, validation_split: float) -> list[Passage]:
    """All `.txt` books under `folder` in name order; each gives up a contiguous passage.

    Raises DataError where the folder is missing, has no books, or a book isn't text.
    """
    if not folder.is_dir():
        raise DataError(
            f"data.data_dir: {folder} is not a folder. Put your novels (.txt) into a folder and "
            "name it, or use data.data_dir=bundled for the sample.",
            f"data.data_dir：{folder} 不是文件夹。请把小说（.txt）放进一个文件夹并写上它的路径，"
            "或用 data.data_dir=bundled 试用样例。",
        )
    books = sorted(path for path in folder.rglob("*.txt") if path.is_file())
    if not books:
        raise DataError(
            f"data.data_dir: {folder} has no .txt files. Put your novels there as .txt.",
            f"data.data_dir：{folder} 中没有 .txt 文件。请把小说以 .txt 格式放入。",
        )
    return [p for path in books for p in split_book(read_text(path), path.name, validation_split)]


def read_text(path: Path) -> str:
    """One file as text with \\n line ends. Raises DataError naming the file."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Mend its permissions or remove it.",
            f"{path}：无法读取（{error.strerror}）。请修改权限或移走该文件。",
        ) from None
    if b"\0" not in raw:
        for encoding in _ENCODINGS:
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError:
                continue
            return text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    raise DataError(
        f"{path}: is not a text file. Remove it from the folder, or save it as UTF-8 text.",
        f"{path}：不是文本文件。请移出文件夹，或另存为 UTF-8 文本。",
    )


def split_book(text: str, book: str, validation_split: float) -> Iterator[Passage]:
    """The end of a book, from a line break on, is held out; the rest is for training."""
    cut = text.find("\n", int(len(text) * (1 - validation_split)))
    if cut <= 0:
        yield Passage(text, book, ends_book=True)
        return
    yield Passage(text[:cut], book)
    yield Passage(text[cut + 1 :], book, split="heldout", ends_book=True)
