"""Which encoding a file is in: judged by what comes out, over the whole file."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from data_samples import NOVELS, STORY, TRADITIONAL, needs_novels

from styledial.data.reading.decode import BLOCK, Encoding, detect, lines
from styledial.errors import DataError

MOJIBAKE = "utf-8 (cp1252 mojibake)"
MOJIBAKE_BYTES = STORY.encode("utf-8").decode("latin-1").encode("utf-8")


@pytest.mark.parametrize(
    ("raw", "name", "text"),
    [
        (STORY.encode("utf-8"), "utf-8", STORY),
        (STORY.encode("utf-8-sig"), "utf-8-sig", STORY),
        (STORY.encode("gb18030"), "gb18030", STORY),
        (STORY.encode("utf-16"), "utf-16", STORY),
        (STORY.encode("utf-16-le"), "utf-16-le", STORY),
        (STORY.encode("utf-16-be"), "utf-16-be", STORY),
        (TRADITIONAL.encode("utf-8"), "utf-8", TRADITIONAL),
        (TRADITIONAL.encode("gb18030"), "gb18030", TRADITIONAL),
        (TRADITIONAL.encode("big5"), "big5hkscs", TRADITIONAL),
        (MOJIBAKE_BYTES, MOJIBAKE, STORY),
        ("“Where are you going?” she asked — naïvely.\n".encode("cp1252"), "cp1252", "“Where"),
        ("Всё смешалось в доме.\n".encode(), "utf-8", "Всё"),
        (b"Nothing but plain letters.\n", "utf-8", "Nothing"),
        ("水浒传".encode("gbk"), "gb18030", "水浒传"),
        ("联通".encode("gbk"), "gb18030", "联通"),  # its bytes almost pass for UTF-8
        ("詩曰".encode("big5"), "big5hkscs", "詩曰"),
    ],
)
def test_encoding(tmp_path: Path, raw: bytes, name: str, text: str) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(raw)
    found = detect(path)
    assert found.name == name
    assert found.bad == 0
    assert "\n".join(lines(path, found)).startswith(text.rstrip("\n"))


def test_big5_also_decodes_as_gb18030_without_an_error(tmp_path: Path) -> None:
    """Why candidates aren't tried in order: the wrong one succeeds, as garbage."""
    raw = TRADITIONAL.encode("big5")
    assert raw.decode("gb18030") != TRADITIONAL
    path = tmp_path / "book.txt"
    path.write_bytes(raw)
    assert detect(path).name == "big5hkscs"


def test_hkscs_characters_are_read(tmp_path: Path) -> None:
    text = TRADITIONAL.replace("老道", "𨬫道")  # in Hong Kong's supplement, not in Big5
    path = tmp_path / "book.txt"
    path.write_bytes(text.encode("big5hkscs"))
    assert "𨬫道" in "\n".join(lines(path, detect(path)))


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_few_bad_bytes_are_counted_not_refused(tmp_path: Path, encoding: str) -> None:
    raw = bytearray((STORY * 20).encode(encoding))
    for place in (999, 3001, 5003):
        raw[place] = 0xFF
    path = tmp_path / "book.txt"
    path.write_bytes(bytes(raw))
    found = detect(path)
    assert found.name == encoding
    assert 3 <= found.bad <= 12
    assert "陆大川笑道" in "\n".join(lines(path, found))


@pytest.mark.parametrize(
    "raw",
    [b"", bytes(range(256)) * 50, b"\0" * 500, random.Random(0).randbytes(40_000)],
    ids=["empty", "all bytes", "nuls", "random"],
)
def test_no_text_is_refused_by_name(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "odd.txt"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"odd\.txt"):
        detect(path)


def test_line_ends_across_blocks(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    rows = ["a" * (BLOCK - 1), "b", "", "c", "d"]
    path.write_bytes("\r\n".join(rows).encode() + b"\re\r")
    assert list(lines(path, Encoding("utf-8", 0, 1))) == [*rows, "e"]


def test_a_line_without_end_comes_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    text = STORY.replace("\n", "") * 4000
    path.write_text(text, encoding="utf-8")
    parts = list(lines(path, Encoding("utf-8", 0, 1), longest=100_000))
    assert "".join(parts) == text
    assert max(map(len, parts)) <= 100_000
    assert all(part.endswith(("。", "”")) for part in parts)


@needs_novels
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("big5_小五義.txt", "big5hkscs"),
        ("gbk_水浒传.txt", "gb18030"),
        ("utf8_三侠五义.txt", "utf-8"),
        ("utf8_小五义.txt", "utf-8"),
        ("utf8_水浒传_tianya.txt", "utf-8"),
    ],
)
def test_real_novels(file: str, name: str) -> None:
    raw = (NOVELS / file).read_bytes()
    found = detect(NOVELS / file)
    assert (found.name, found.bad) == (name, 0)
    text = raw.decode(name).replace("\r\n", "\n")
    assert "\n".join(lines(NOVELS / file, found)).rstrip("\n") == text.rstrip("\n")


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16-le"])
def test_zeros_that_a_crash_left_are_no_text(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(STORY.rstrip().encode(encoding) + bytes(4096))
    found = detect(path)
    assert "".join(lines(path, found)).replace("\0", "") == STORY.replace("\n", "")
