"""Thousands of random and damaged files beside three good books.

None may stop the run, each refused one is named with a reason, and the good books come out as
if they had been alone. 300 files here; STYLEDIAL_FUZZ=5000 for the long form, with a line of
100 MB, which takes some minutes.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from data_samples import CONTAINER, STORY, novel

from styledial.data.passage import Passage
from styledial.data.pipeline import prepare_folder

COUNT = int(os.environ.get("STYLEDIAL_FUZZ", "300"))
GOOD = {"good_a.txt": "utf-8", "good_b.txt": "gb18030", "m_good_c.txt": "utf-16"}
WORDS = "话说那人好生了得一二三四五六七八九十刀剑江湖山门客店"


def _random_bytes(draw: random.Random) -> tuple[str, bytes]:
    return ".txt", draw.randbytes(draw.choice([1, 2, 3, 17, 400, 20_000]))


def _random_letters(draw: random.Random) -> tuple[str, bytes]:
    text = "".join(chr(draw.choice([*range(1, 255), 0x4E00, 0xFFFD, 0xE000])) for _ in range(800))
    return ".txt", text.encode("utf-8")


def _truncated(draw: random.Random) -> tuple[str, bytes]:
    raw = novel(draw.randrange(10**6), 2, 6).encode(draw.choice(["utf-8", "gb18030", "utf-16"]))
    return ".txt", raw[draw.randrange(9) : draw.randrange(len(raw))]


def _flipped(draw: random.Random) -> tuple[str, bytes]:
    raw = bytearray(novel(draw.randrange(10**6), 2, 6).encode(draw.choice(["utf-8", "gb18030"])))
    for _ in range(draw.choice([1, 5, 200])):
        raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    return ".txt", bytes(raw)


def _copy_of_good(draw: random.Random) -> tuple[str, bytes]:
    """A damaged copy of a good book: it must lose against it."""
    raw = bytearray(novel(draw.choice([1, 2, 3])).encode("utf-8"))
    for _ in range(60):
        raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    return ".txt", bytes(raw[: int(len(raw) * draw.uniform(0.3, 0.95))])


def _wrong_ending(draw: random.Random) -> tuple[str, bytes]:
    raw = novel(draw.randrange(10**6), 1, 4).encode("utf-8")
    return draw.choice([".epub", ".json", ".jsonl", ".md", ".pdf", ".TXT", ""]), raw


def _nuls(draw: random.Random) -> tuple[str, bytes]:
    raw = bytearray(STORY.encode(draw.choice(["utf-8", "gb18030"])))
    for _ in range(draw.choice([1, 3, 100, 400])):
        raw.insert(draw.randrange(len(raw)), 0)
    return ".txt", bytes(raw)


def _emoji(draw: random.Random) -> tuple[str, bytes]:
    text = "".join(draw.choice(WORDS + "😀🐉⚔️👨‍👩‍👧🇨🇳") for _ in range(600))
    return ".txt", text.encode("utf-8")


def _surrogates(draw: random.Random) -> tuple[str, bytes]:
    if draw.random() < 0.5:
        return ".txt", (STORY + "\ud83d" + STORY[:99] + "\udc00").encode("utf-8", "surrogatepass")
    return ".jsonl", b'{"text": "\\ud83d \\udfff ' + STORY.replace("\n", "").encode() + b'"}\n'


def _empty(draw: random.Random) -> tuple[str, bytes]:
    return draw.choice([".txt", ".md", ".jsonl", ".json", ".epub"]), b""


def _broken_records(draw: random.Random) -> tuple[str, bytes]:
    good = json.dumps({"text": novel(draw.randrange(10**6), 1, 2)})
    bad = ["[" * 5000, "{", '{"text": 5}', "null", "\x00", '{"messages": [{"role": 1}]}', "NaN"]
    rows = [good, *draw.sample(bad, 3)]
    return draw.choice([".jsonl", ".json"]), "\n".join(rows).encode("utf-8")


def _broken_zip(draw: random.Random) -> tuple[str, bytes]:
    return draw.choice([".epub", ".txt"]), b"PK\x03\x04" + draw.randbytes(500)


def _long_line(draw: random.Random) -> tuple[str, bytes]:
    return ".txt", "".join(draw.choices(WORDS, k=60_000)).encode("utf-8")


def _whole_formats(text: str) -> list[tuple[str, bytes]]:
    """Sound files: those made by hand, and by the libraries that are installed."""
    rows = [{"id": 1, "text": text}, {"question": "何人？", "answer": "老道。"}]
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as packed:
        member = tarfile.TarInfo("a/b.txt")
        member.size = len(text.encode())
        packed.addfile(member, io.BytesIO(text.encode()))
    docx = io.BytesIO()
    with zipfile.ZipFile(docx, "w") as packed_docx:
        body = "".join(f"<w:p><w:r><w:t>{row}</w:t></w:r></w:p>" for row in text.split("\n"))
        space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
        packed_docx.writestr(
            "word/document.xml",
            f'<w:document xmlns:w="{space}"><w:body>{body}</w:body></w:document>',
        )
    found = [
        (".tar", tar.getvalue()),
        (".tgz", tar.getvalue()),
        (".docx", docx.getvalue()),
        (".json", json.dumps(rows).encode()),
        (".jsonl", "\n".join(json.dumps(row) for row in rows).encode()),
        (".tsv", f"id\ttext\n1\t{text.splitlines()[2]}\n".encode("gb18030")),
        (".xhtml", f"<html><body><blockquote><p>Notes<p>{text}</div></table>".encode()),
    ]
    with contextlib.suppress(ImportError):
        import pyarrow
        from pyarrow import parquet

        held = io.BytesIO()
        parquet.write_table(pyarrow.table({"text": [text]}), held)
        found.append((".parquet", held.getvalue()))
    return found


def _damaged_format(draw: random.Random) -> tuple[str, bytes]:
    """Whole files of the other formats with bytes flipped, cut off, or under a wrong ending."""
    text = novel(draw.randrange(10**6), 1, 4)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("META-INF/container.xml", CONTAINER)
        packed.writestr("OEBPS/c.opf", '<item id="a" href="a.xhtml"/><itemref idref="a"/>')
        packed.writestr("OEBPS/a.xhtml", f"<p>{text}</p>")
        packed.writestr(draw.choice(["a.txt", "word/document.xml", "../a.txt"]), text)
    kinds = [
        (".epub", held.getvalue()),
        (".zip", held.getvalue()),
        (".docx", held.getvalue()),
        (".gz", gzip.compress(text.encode("gb18030"))),
        (".html", f"<html><body><p>{text}<sup>1</p></b></body>".encode("gbk")),
        (".fb2", f"<FictionBook><body><title><p>{text}".encode()),
        (".rtf", rb"{\rtf1\ansi " + text.encode("gbk") + b"}"),
        (".csv", f'id,text\n1,"{text}"\n'.encode()),
        (".pdf", b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>"),
        (".parquet", b"PAR1" + draw.randbytes(200) + b"PAR1"),
        (".mobi", bytes(60) + b"BOOKMOBI" + draw.randbytes(400)),
        *_whole_formats(text),
    ]
    ending, raw = draw.choice(kinds)
    harmed = bytearray(raw)
    for _ in range(draw.choice([0, 1, 5, 60])):
        harmed[draw.randrange(len(harmed))] ^= 1 << draw.randrange(8)
    cut = draw.choice([len(harmed), draw.randrange(1, len(harmed))])
    return draw.choice([ending, ending, ".txt"]), bytes(harmed[:cut])


KINDS: list[Callable[[random.Random], tuple[str, bytes]]] = [
    _random_bytes, _random_letters, _truncated, _flipped, _copy_of_good, _wrong_ending, _nuls,
    _emoji, _surrogates, _empty, _broken_records, _broken_zip, _long_line,
    _damaged_format, _damaged_format, _damaged_format,
]  # fmt: skip


def _good_texts(passages: list[Passage]) -> dict[str, str]:
    return {name: "\n".join(p.text for p in passages if p.book == name) for name in GOOD}


def _write_good(folder: Path) -> None:
    folder.mkdir()
    for number, (name, encoding) in enumerate(GOOD.items(), 1):
        (folder / name).write_bytes(novel(number).encode(encoding))


def _write_bad(folder: Path) -> None:
    for number in range(COUNT):
        draw = random.Random(number)
        ending, raw = KINDS[number % len(KINDS)](draw)
        place = folder / f"sub{number % 7}" if number % 3 == 0 else folder
        place.mkdir(exist_ok=True)
        (place / f"{'az'[number % 2]}{number:05}{ending}").write_bytes(raw)
    if COUNT >= 5000:
        with (folder / "a_long.txt").open("wb") as file:
            for _ in range(1000):
                file.write("".join(random.Random(7).choices(WORDS, k=33_334)).encode())
    if os.name == "posix":
        (folder / "loop").symlink_to(folder)
        (folder / "sub0" / "up").symlink_to(folder, target_is_directory=True)
        (folder / "self.txt").symlink_to(folder / "self.txt")
        (folder / "gone.txt").symlink_to(folder / "nowhere.txt")
        os.mkfifo(folder / "pipe.txt")
        (folder / os.fsdecode(b"name\xff.txt")).write_bytes(b"\xff\xfe")


def test_damaged_files_harm_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    alone, crowd = tmp_path / "alone", tmp_path / "crowd"
    _write_good(alone)
    _write_good(crowd)
    _write_bad(crowd)
    wanted = _good_texts(list(prepare_folder(alone, tmp_path / "s1", 0.1).passages()))
    assert all(wanted.values())

    prepared = prepare_folder(crowd, tmp_path / "s2", 0.1)
    passages = list(prepared.passages())

    assert _good_texts(passages) == wanted
    assert len(prepared.books) >= COUNT
    refused = [book for book in prepared.books if not book.kept]
    assert len(refused) > COUNT // 4
    assert all(book.reason and book.file for book in refused)
    assert not [book.file for book in refused if "Error" in book.reason]
    for passage in passages:
        passage.text.encode("utf-8")
        assert not set(passage.text) & set("\0\r\ufffd\ufeff")
    if COUNT >= 5000:
        kept = len(prepared.books) - len(refused)
        print(f"\n{len(prepared.books)} files: {kept} kept, {len(refused)} refused with a reason")
