"""A folder of novels -> passages, cleaned, each text once, split into training and held out."""

from __future__ import annotations

import tempfile
from pathlib import Path

from styledial.data.decode import detect, lines
from styledial.data.manifest import write_manifest
from styledial.data.passage import Dialogue, Passage
from styledial.data.pipeline import Prepared, prepare_folder
from styledial.errors import DataError


def read_novels(
    folder: Path,
    validation_split: float,
    *,
    to_simplified: bool = False,
    dedup: bool = True,
    cache: Path | None = None,
    workers: int | None = None,
) -> list[Passage]:
    """All books under `folder` in name order, in passages; training calls this.

    With `cache`, a folder, what was made of each file is kept there by its content, with a
    manifest.json, and a second call with the same files only reads it. Memory: the text itself.
    Raises DataError where the folder is missing or holds no text.
    """
    with tempfile.TemporaryDirectory(prefix="styledial-") as passing:
        prepared = _prepared(
            folder, validation_split, to_simplified, dedup, cache or Path(passing), workers
        )
        passages = list(prepared.passages())
        if cache:
            write_manifest(cache / "manifest.json", prepared)
    if not passages and not any(book.dialogues for book in prepared.books if book.kept):
        raise _no_text(folder, prepared)
    return passages


def read_dialogues(
    folder: Path,
    validation_split: float,
    *,
    cache: Path | None = None,
    workers: int | None = None,
) -> list[Dialogue]:
    """The dialogue and instruction records under `folder`; empty where there are none."""
    with tempfile.TemporaryDirectory(prefix="styledial-") as passing:
        prepared = _prepared(folder, validation_split, False, True, cache or Path(passing), workers)
        return list(prepared.dialogues())


def read_text(path: Path) -> str:
    """One file as text with \\n line ends, decoded but not cleaned. Raises DataError."""
    try:
        return "\n".join(lines(path, detect(path))).strip("\n")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Mend its permissions or remove it.",
            f"{path}：无法读取（{error.strerror}）。请修改权限或移走该文件。",
        ) from None


def _prepared(
    folder: Path,
    validation_split: float,
    to_simplified: bool,
    dedup: bool,
    cache: Path,
    workers: int | None,
) -> Prepared:
    return prepare_folder(
        folder,
        cache,
        validation_split,
        to_simplified=to_simplified,
        dedup=dedup,
        workers=workers,
        leave_out=[cache / "manifest.json"],
    )


def _no_text(folder: Path, prepared: Prepared) -> DataError:
    reasons = "; ".join(f"{book.file}: {book.reason}" for book in prepared.books[:5])
    if not prepared.books:
        return DataError(
            f"data.data_dir: {folder} has no files. Put your novels there as .txt.",
            f"data.data_dir：{folder} 中没有文件。请把小说以 .txt 格式放入。",
        )
    return DataError(
        f"data.data_dir: {folder} has no text that can be used ({reasons}). Put your novels there "
        "as .txt.",
        f"data.data_dir：{folder} 中没有可用的文本（{reasons}）。请把小说以 .txt 格式放入。",
    )
