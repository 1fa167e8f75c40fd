"""A folder of novels -> passages, cleaned, each text once, split into training and held out."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from styledial.data.manifest import FILE as MANIFEST
from styledial.data.manifest import left_out, write_manifest
from styledial.data.overrides import NONE, Overrides
from styledial.data.passage import Dialogue, Passage
from styledial.data.pipeline import Prepared, prepare_folder
from styledial.data.reading.read import plain_lines
from styledial.data.reading.sources import KINDS, holds_anything
from styledial.errors import DataError


def _on_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def read_novels(
    folder: Path,
    validation_split: float,
    *,
    to_simplified: bool = False,
    dedup: bool = True,
    cache: Path | None = None,
    workers: int | None = None,
    tell: Callable[[str], None] = _on_stderr,
) -> list[Passage]:
    """The running text of `read_folder`, for those who want no dialogues."""
    return read_folder(
        folder,
        validation_split,
        to_simplified=to_simplified,
        dedup=dedup,
        cache=cache,
        workers=workers,
        tell=tell,
    )[0]


def read_folder(
    folder: Path,
    validation_split: float,
    *,
    to_simplified: bool = False,
    dedup: bool = True,
    cache: Path | None = None,
    workers: int | None = None,
    overrides: Overrides = NONE,
    tell: Callable[[str], None] = _on_stderr,
) -> tuple[list[Passage], list[Dialogue]]:
    """All books under `folder` in name order, in passages, and its dialogues; one reading.

    With `cache`, a folder, what was made of each file is kept there by its content, with a
    manifest.json, and a second call with the same files only reads it. `tell` gets a sentence
    for each file that isn't used, and for what else the user should know. Memory: the text itself.
    Raises DataError where the folder is missing or holds no text.
    """
    _check_is_folder(folder)
    with tempfile.TemporaryDirectory(prefix="styledial-") as passing:
        prepared = _prepared(
            folder,
            validation_split,
            to_simplified,
            dedup,
            cache or Path(passing),
            workers,
            overrides,
        )
        passages, dialogues = list(prepared.passages()), list(prepared.dialogues())
        if cache:
            write_manifest(cache / MANIFEST, prepared)
    if not passages and not any(book.dialogues for book in prepared.books if book.kept):
        raise _no_text(folder, prepared)
    for line in left_out(prepared):
        tell(line)
    return passages, dialogues


def check_novels(folder: Path) -> None:
    """Raises DataError where `folder` can't be one of novels: it isn't a folder, or nothing is in
    it. Looks no further than the first file."""
    _check_is_folder(folder)
    if not holds_anything(folder):
        raise _empty(folder)


def _check_is_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    there = folder.exists()
    en = f"{folder} is not a folder" if there else f"there is no folder {folder}"
    zh = f"{folder} 不是文件夹" if there else f"文件夹 {folder} 不存在"
    raise DataError(
        f"data.data_dir: {en}. Put your novels into a folder and name it, or use "
        "data.data_dir=bundled for the sample.",
        f"data.data_dir：{zh}。请把小说放进一个文件夹并写上它的路径，"
        "或用 data.data_dir=bundled 试用样例。",
    )


def _empty(folder: Path) -> DataError:
    return DataError(
        f"data.data_dir: {folder} is empty. Put your novels there: {' '.join(KINDS)}",
        f"data.data_dir：{folder} 是空的。请把小说放进去，可读取：{' '.join(KINDS)}",
    )


def read_text(path: Path) -> str:
    """One file as text with \\n line ends, decoded but not cleaned. Raises DataError."""
    try:
        return "\n".join(plain_lines(path)).strip("\n")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Fix its permissions or remove it.",
            f"{path}：无法读取（{error.strerror}）。请修改权限或移走该文件。",
        ) from None


def _prepared(
    folder: Path,
    validation_split: float,
    to_simplified: bool,
    dedup: bool,
    cache: Path,
    workers: int | None,
    overrides: Overrides,
) -> Prepared:
    return prepare_folder(
        folder,
        cache,
        validation_split,
        to_simplified=to_simplified,
        dedup=dedup,
        workers=workers,
        leave_out=[cache / MANIFEST],
        overrides=overrides,
    )


def _no_text(folder: Path, prepared: Prepared) -> DataError:
    if not prepared.books:
        return _empty(folder)
    reasons = "; ".join(f"{book.file}: {book.reason}" for book in prepared.books[:5])
    return DataError(
        f"data.data_dir: {folder} has too little text, as no file could be used ({reasons}). Put "
        "novels there that can be read.",
        f"data.data_dir：{folder} 的文本太少：没有可用的文件（{reasons}）。请放入可以读取的小说。",
    )
