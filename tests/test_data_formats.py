"""Formats other than plain text: read by content, or refused with what the file is."""

from __future__ import annotations

import csv
import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from data_samples import STORY, novel, write_epub

from styledial.data.passage import Passage
from styledial.data.pipeline import Prepared, prepare_folder
from styledial.data.reading import page_text
from styledial.data.reading.formats import kind_of

TEXT = STORY.strip()
ROWS = TEXT.split("\n")
PARAGRAPHS = "".join(f"<p>{row}</p>" for row in ROWS)
HTML = f"<!DOCTYPE html><html><head><title>x</title></head><body><h1>夜雨</h1>{PARAGRAPHS}</body></html>"
UTF_16 = HTML.replace("<head>", '<head><meta charset="utf-16">')
FB2 = (
    '<?xml version="1.0" encoding="utf-8"?><FictionBook><description><title-info><book-title>书'
    "</book-title></title-info></description><body><section><title><p>夜雨</p></title>"
    f'{PARAGRAPHS}</section></body><body name="notes"><p>注。</p></body><binary>AAAA</binary></FictionBook>'
)


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "en")


def run(tmp_path: Path, name: str, raw: bytes) -> tuple[Prepared, list[Passage]]:
    at = tmp_path / "n"
    at.mkdir(exist_ok=True)
    (at / name).write_bytes(raw)
    prepared = prepare_folder(at, tmp_path / "store", 0.0, workers=1)
    return prepared, list(prepared.passages())


def rtf() -> bytes:
    coded = "".join(
        rf"\u{ord(c) if ord(c) < 32768 else ord(c) - 65536}?" if c != "\n" else r"\par "
        for c in TEXT
    )
    return (r"{\rtf1\ansi\ansicpg936 " + coded + "}").encode("ascii")


def docx() -> bytes:
    rows = [("Heading1", "夜雨"), *(("Normal", row) for row in ROWS)]
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
        for style, text in rows
    )
    name = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed:
        packed.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>',
        )
        packed.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{relations}"><Relationship Id="r1" Type="{office}" Target="word/document.xml"/></Relationships>',
        )
        packed.writestr(
            "word/document.xml",
            f'<w:document xmlns:w="{name}"><w:body>{body}</w:body></w:document>',
        )
    return held.getvalue()


def pdf(text: str) -> bytes:
    """A page with `text` in Helvetica, or with nothing on it."""
    rows = "".join(f"({row}) Tj 0 -14 Td " for row in text.split("\n"))
    stream = f"BT /F1 12 Tf 50 700 Td {rows}ET" if text else ""
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        f"<</Length {len(stream)}>>stream\n{stream}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    raw, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(raw))
        raw += f"{number} 0 obj{content}endobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"xref\n0 6\n0000000000 65535 f \n{table}trailer<</Size 6/Root 1 0 R>>\nstartxref\n{len(raw)}\n%%EOF"
    return (raw + end).encode("latin-1")


@pytest.mark.parametrize(
    ("name", "raw", "kind"),
    [
        ("a.html", HTML.encode(), "html"),
        ("a.txt", HTML.encode(), "html"),
        ("a.html", HTML.replace("<head>", '<head><meta charset="gbk">').encode("gbk"), "html"),
        ("a.html", HTML.encode("gbk"), "html"),
        # Saved as UTF-16 once and as UTF-8 since: the declaration is older than the bytes.
        ("a.html", UTF_16.encode(), "html"),
        ("a.html", UTF_16.encode() + b"\n", "html"),
        ("a.fb2", FB2.encode(), "fb2"),
        ("a.txt", FB2.encode(), "fb2"),
    ],
)
def test_markup(tmp_path: Path, name: str, raw: bytes, kind: str) -> None:
    prepared, passages = run(tmp_path, name, raw)
    assert prepared.books[0].encoding == kind
    assert [(p.chapter, p.text) for p in passages] == [("夜雨", TEXT)]


@pytest.mark.parametrize("shift", range(3))
def test_plain_text_is_known_without_trying_encodings(
    tmp_path: Path, shift: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where 4,096 bytes ended within a character all encodings were tried: a tenth of a second."""
    monkeypatch.setattr(page_text, "readings", lambda raw: pytest.fail("all encodings were tried"))
    (tmp_path / "a.txt").write_bytes(("a" * shift + "夜" * 3000).encode())
    assert kind_of(tmp_path / "a.txt") == "text"


@pytest.mark.parametrize("name", ["a.rtf", "a.txt"])
def test_rtf(tmp_path: Path, name: str) -> None:
    pytest.importorskip("striprtf", reason="the rtf extra is not installed")
    assert [p.text for p in run(tmp_path, name, rtf())[1]] == [TEXT]


def test_docx(tmp_path: Path) -> None:
    pytest.importorskip("mammoth", reason="the docx extra is not installed")
    passages = run(tmp_path, "a.docx", docx())[1]
    assert [(p.chapter, p.text) for p in passages] == [("夜雨", TEXT)]


def test_pdf_with_a_text_layer(tmp_path: Path) -> None:
    pytest.importorskip("pypdf", reason="the pdf extra is not installed")
    rows = "The rain had not stopped when he came\nto the old gate, and nobody was there."
    (passage,) = run(tmp_path, "a.pdf", pdf(rows))[1]
    assert " ".join(passage.text.split()) == rows.replace("\n", " ")


def test_a_scanned_pdf_is_refused_as_one(tmp_path: Path) -> None:
    pytest.importorskip("pypdf", reason="the pdf extra is not installed")
    assert "is scanned: its 1 pages" in run(tmp_path, "a.pdf", pdf(""))[0].books[0].reason


def test_a_kindle_book_with_drm_is_refused_as_one(tmp_path: Path) -> None:
    raw = bytearray(200)
    raw[60:68] = b"BOOKMOBI"
    struct.pack_into(">L", raw, 78, 100)
    struct.pack_into(">H", raw, 112, 2)
    assert "Kindle DRM" in run(tmp_path, "a.azw3", bytes(raw))[0].books[0].reason


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.tsv", "\t"), ("a.csv", ";")])
@pytest.mark.parametrize("column", ["text", "正文", "whatever"])
def test_tables(tmp_path: Path, name: str, mark: str, column: str) -> None:
    held = io.StringIO()
    writer = csv.writer(held, delimiter=mark)
    writer.writerows([["id", column], ["1", TEXT]])
    assert [p.text for p in run(tmp_path, name, held.getvalue().encode())[1]] == [TEXT]


def test_a_table_without_a_column_of_text_names_its_columns(tmp_path: Path) -> None:
    prepared, _ = run(tmp_path, "a.csv", b"id,price\n1,20\n")
    assert "unknown shape, with the keys id, price" in prepared.books[0].reason


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="the parquet extra is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    held = io.BytesIO()
    parquet.write_table(arrow.table({"text": [TEXT], "id": [1]}), held)
    assert [p.text for p in run(tmp_path, "a.parquet", held.getvalue())[1]] == [TEXT]


def zipped(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, raw in files.items():
            packed.writestr(name, raw)
    return held.getvalue()


def tarred(files: dict[str, bytes], mode: str) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as packed:  # type: ignore[call-overload]
        for name, raw in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            packed.addfile(info, io.BytesIO(raw))
    return held.getvalue()


BOOKS = {
    "甲.txt": novel(1, 2).encode("gb18030"),
    "sub/乙.txt": novel(2, 2).encode(),
    "cover.jpg": b"x",
}


@pytest.mark.parametrize(
    ("name", "raw"),
    [("a.zip", zipped(BOOKS)), ("a.tar", tarred(BOOKS, "w")), ("a.tar.gz", tarred(BOOKS, "w:gz"))],
    ids=["zip", "tar", "tar.gz"],  # the bytes hold the time: no two workers would have one name
)
def test_the_members_of_an_archive_are_books(tmp_path: Path, name: str, raw: bytes) -> None:
    prepared, passages = run(tmp_path, name, raw)
    assert list(dict.fromkeys(p.book for p in passages)) == ["甲.txt", "sub/乙.txt"]
    assert [p.book for p in passages if p.ends_book] == ["甲.txt", "sub/乙.txt"]
    assert prepared.books[0].drops["member of another kind"]


def test_a_packed_file_is_read_in_place(tmp_path: Path) -> None:
    assert run(tmp_path, "a.txt.gz", gzip.compress(STORY.encode()))[1][0].text == TEXT


def test_an_epub_in_an_archive(tmp_path: Path) -> None:
    write_epub(tmp_path / "a.epub", {"a.xhtml": f"<h2>夜雨</h2>{PARAGRAPHS}"})
    raw = zipped({"a.epub": (tmp_path / "a.epub").read_bytes()})
    assert [(p.chapter, p.text) for p in run(tmp_path, "a.zip", raw)[1]] == [("夜雨", TEXT)]


def test_a_path_that_leads_outside_is_not_followed(tmp_path: Path) -> None:
    raw = zipped(
        {"../evil.txt": STORY.encode(), "/evil.txt": STORY.encode(), "good.txt": STORY.encode()}
    )
    prepared, passages = run(tmp_path, "a.zip", raw)
    assert [p.book for p in passages] == ["good.txt"]
    assert prepared.books[0].drops["member with a path that leads outside"]
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    prepared, _ = run(tmp_path, "a.zip", zipped({"a.txt": b"\0" * (70 << 20)}))
    assert "unpacks to more than 64 MB" in prepared.books[0].reason


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("a.txt", b"\xd0\xcf\x11\xe0" + bytes(600), "old Word file"),
        ("a.txt", b"Rar!\x1a\x07" + bytes(99), "RAR archive"),
        ("a.zip", b"PK\x03\x04" + bytes(99), "not an archive that can be read"),
        ("a.pdf", b"%PDF-1.4 nothing", "not a .pdf that can be read"),
        ("a.parquet", b"PAR1 nothing", "not a .parquet that can be read"),
        ("a.mobi", bytes(60) + b"BOOKMOBI" + bytes(99), "not a .mobi that can be read"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, raw: bytes, reason: str) -> None:
    needed = {".pdf": "pypdf", ".parquet": "pyarrow", ".mobi": "mobi"}.get(Path(name).suffix)
    if needed:
        pytest.importorskip(needed, reason=f"the extra for {Path(name).suffix} is not installed")
    prepared, _ = run(tmp_path, name, raw)
    assert reason in prepared.books[0].reason


@pytest.mark.parametrize("end", ["<br>", "<br />", "</p><p>", "\u2028", "\u2029", "\x85"])
def test_other_paragraph_ends(tmp_path: Path, end: str) -> None:
    """Pages pasted from a browser came out as one paragraph, or as none."""
    (passage,) = run(tmp_path, "a.txt", end.join(ROWS).encode())[1]
    assert passage.text == TEXT


def test_an_archive_in_an_archive_is_read(tmp_path: Path) -> None:
    """Its members were left out under `member of another kind`."""
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as packed:
        packed.writestr("雨.txt", TEXT)
        packed.writestr("deep.zip", b"PK\x05\x06" + bytes(18))
    with zipfile.ZipFile(outer, "w") as packed:
        packed.writestr("in.zip", inner.getvalue())
        packed.writestr("月.txt", novel(2))
    prepared, passages = run(tmp_path, "a.zip", outer.getvalue())
    assert sorted({passage.book for passage in passages}) == ["in.zip/雨.txt", "月.txt"]
    assert prepared.books[0].drops["member of another kind"] == len("deep.zip")
