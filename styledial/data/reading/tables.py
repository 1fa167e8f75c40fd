"""Tables (.csv, .tsv, .parquet) as records, one a row."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from styledial.data.cleaning.ledger import Ledger
from styledial.data.dialogues import is_dialogue
from styledial.data.reading.decode import detect, lines
from styledial.data.reading.formats import extra
from styledial.data.reading.records import text_of
from styledial.data.reading.shapes import settled
from styledial.errors import DataError

_LOOKED_AT = 50  # rows by which the column of text is found
_LONGER = 5  # times the second longest: a column that is the text whatever its name
_LONGEST_NAME = 60  # characters of a column's name
_PROSE = 60  # characters, mean


def table_rows(path: Path, kind: str, ledger: Ledger) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, row); where no column's name is known, the longest is called ``text``."""
    rows = map(settled, _parquet(path) if kind == "parquet" else _csv(path))
    first = list(itertools.islice(rows, _LOOKED_AT))
    known = any(is_dialogue(row) or text_of(row) for row in first)
    column = "" if known else _column_of_text(first)
    for number, row in enumerate(itertools.chain(first, rows), 1):
        ledger.chars_in += sum(len(value) for value in row.values() if isinstance(value, str))
        yield number, {**row, "text": row.get(column)} if column else row


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(1 << 28)
    text = lines(path, detect(path), longest=None)
    head = next(text, "").removeprefix("\ufeff")
    told = re.fullmatch(r"sep=(\S|\t)\s*", head)  # by Excel, on a line of its own
    head = next(text, "") if told else head
    mark = told[1] if told else max("\t,;|", key=head.count)
    rows = csv.reader((f"{line}\n" for line in itertools.chain([head], text)), delimiter=mark)
    try:
        names = next(rows, [])
        if any(len(name) > _LONGEST_NAME for name in names):  # a table without a header
            first, names = names, [str(i) for i in range(1, len(names) + 1)]
            yield dict(zip(names, first, strict=True))
        for row in rows:
            yield dict(zip(names, _fitted(row, len(names), mark), strict=False))
    except csv.Error as error:
        raise DataError(
            f"{path}: is not a table that can be read ({error}). Remove it from the folder.",
            f"{path}：不是可读取的表格（{error}）。请移出文件夹。",
        ) from None


def _fitted(row: list[str], count: int, mark: str) -> list[str]:
    """A row with no more cells than the table has: those behind its last column belong to the
    text there, whose own marks weren't quoted."""
    if len(row) <= count or not any(row[count:]):
        return row
    return [*row[: count - 1], mark.join(row[count - 1 :])]


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    parquet = extra(path, "pyarrow.parquet", "parquet")
    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=256):
            for row in batch.to_pylist():
                yield {key: _decoded(value) for key, value in row.items()}
    except (ValueError, OSError, NotImplementedError) as error:  # ArrowInvalid is a ValueError
        raise DataError(
            f"{path}: is not a .parquet that can be read ({str(error)[:80]}). Remove it from "
            "the folder.",
            f"{path}：不是可读取的 .parquet（{str(error)[:80]}）。请移出文件夹。",
        ) from None


def _decoded(value: Any) -> Any:
    """Text that a writer stored as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _column_of_text(rows: list[dict[str, Any]]) -> str:
    sizes = {
        name: sum(len(str(row.get(name) or "")) for row in rows) / len(rows)
        for name in (rows[0] if rows else {})
    }
    ranked = sorted(sizes, key=lambda name: -sizes[name])
    if not ranked or sizes[ranked[0]] < _PROSE:
        return ""
    alone = len(ranked) == 1 or sizes[ranked[0]] > _LONGER * sizes[ranked[1]]
    return ranked[0] if alone else ""
