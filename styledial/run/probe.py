"""Books that were not trained on, to measure whether training made the model recite them.

Tuning on one author can make a model recite others (arXiv 2603.20957). Probes are read and cleaned
as novels are, so that what is asked for is the books' own text.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from styledial.build.rows import shares_rows
from styledial.config import Config
from styledial.data.manifest import FILE as MANIFEST
from styledial.data.manifest import hashes_of
from styledial.data.novels import read_folder
from styledial.data.pack import PackedRows, pack
from styledial.data.passage import Passage
from styledial.errors import DataError
from styledial.evaluation.copying import PREFIXES, SUFFIX
from styledial.run_folder.layout import DATA_MANIFEST

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def read_probe(files: Sequence[Path], folder: Path, config: Config) -> list[Passage]:
    """The running text of some books, read as the run in `folder` reads novels.

    Raises DataError where one is missing, can't be used, or is a novel of the run.
    """
    files = [file.expanduser() for file in files]
    for file in files:
        if not file.is_file():
            raise _refused(file, "there is no such file", "没有这个文件")
    with tempfile.TemporaryDirectory(prefix="styledial-") as passing:
        books, cache = Path(passing) / "books", Path(passing) / "cache"
        named = _copied(files, books)
        passages, hashes = _read(books, cache, config), hashes_of(cache / MANIFEST)
    trained = set(hashes_of(folder / DATA_MANIFEST).values())
    usable = {passage.book for passage in passages}
    for name, file in named.items():
        if hashes.get(name) in trained:
            raise _refused(file, "the run was trained on this file", "这次训练用过该文件")
        if not any(book == name or book.startswith(f"{name}/") for book in usable):
            raise _refused(file, "it holds no running text", "其中没有可用的正文")
    return passages


def pack_probe(
    passages: Sequence[Passage], tokenizer: PreTrainedTokenizerBase, config: Config
) -> PackedRows:
    """Rows of the novels' length. Raises DataError where no stretch is long enough to ask for."""
    rows = pack(passages, tokenizer, config.data.max_length, share_rows=shares_rows(config))
    shortest = min(PREFIXES) + SUFFIX
    if not any(length >= shortest for row in rows.pieces for _, length in row):
        raise DataError(
            f"--probe: no stretch of {shortest} tokens in one row to ask for; name longer books, "
            f"and data.max_length has to be {shortest} or more ({config.data.max_length} here).",
            f"--probe：没有一段连续 {shortest} 个 token 的文本可供测试；请换更长的书，且 "
            f"data.max_length 不得小于 {shortest}（这里是 {config.data.max_length}）。",
        )
    return rows


def _copied(files: Sequence[Path], books: Path) -> dict[str, Path]:
    """The files in a folder of their own, for the reader of folders: name there -> file."""
    books.mkdir()
    named = {f"{number}-{file.name}": file for number, file in enumerate(files)}
    for name, file in named.items():
        try:
            shutil.copyfile(file, books / name)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise _refused(file, f"it cannot be read ({why})", f"无法读取（{why}）") from None
    return named


def _read(books: Path, cache: Path, config: Config) -> list[Passage]:
    data = config.data
    try:
        return read_folder(
            books,
            data.validation_split,
            to_simplified=data.to_simplified,
            dedup=False,
            cache=cache,
            tell=lambda line: None,
        )[0]
    except DataError:  # it speaks of data.data_dir; each file is spoken of in read_probe
        return []


def _refused(file: Path, why_en: str, why_zh: str) -> DataError:
    return DataError(
        f"--probe {file}: {why_en}. Name books (.txt, .md, .epub, .jsonl) that the run has not "
        "read.",
        f"--probe {file}：{why_zh}。请写出没有参与这次训练的书（.txt、.md、.epub、.jsonl）。",
    )
