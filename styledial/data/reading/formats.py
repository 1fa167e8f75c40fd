"""Files other than plain text: recognised by content, read as lines.

.html .fb2 .rtf     also under the name .txt
.epub               epub.py
.docx .pdf .mobi    with a library each, installed as an extra
"""

from __future__ import annotations

import codecs
import contextlib
import io
import logging
import re
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.cleaning.titles import Titles
from styledial.data.reading.docx import docx_page
from styledial.data.reading.epub import epub_lines, reason_of
from styledial.data.reading.markup import Page
from styledial.data.reading.page_rows import without_links
from styledial.data.reading.page_text import page_text, tags_of
from styledial.data.reading.pdf import pdf_lines
from styledial.data.reading.rtf import rtf_text
from styledial.data.reading.site_page import site_page
from styledial.data.reading.xml import as_page
from styledial.errors import DataError

_HEAD = 4096
_LARGEST = 1 << 28  # bytes
_OF_KINDLE = {".epub": "epub", ".html": "html", ".pdf": "pdf"}  # what a Kindle book unpacks to
_WHOLE = ("html", "fb2", "rtf")  # read into memory at once
_STARTS = ((b"%PDF-", "pdf"), (b"\x1f\x8b", "gz"), (b"PAR1", "parquet"), (rb"{\rtf", "rtf"))
_PAGE = re.compile(
    r"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?(?:<!doctype html|<html|<head|<body)", re.DOTALL
)
_SAVED_PAGE = (b"\nmime-version:", b"\ncontent-type: multipart/related")
_BLOCK = re.compile(r"<(?:div|p|h[1-6]|section|article|meta|title)\b")
_OLE = b"\xd0\xcf\x11\xe0"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # in it stands a .docx with a password
_REFUSED = (
    (_OLE, "an old Word file or HWP; save it as .docx", "旧版 Word 文件或 HWP，请另存为 .docx"),
    (b"Rar!\x1a", "a RAR archive; unpack it into the folder", "RAR 压缩包，请解压到文件夹中"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it into the folder", "7z 压缩包，请解压到文件夹中"),
    (b"BZh", "a bzip2 archive; unpack it into the folder", "bzip2 压缩包，请解压到文件夹中"),
    (b"\xfd7zXZ", "an xz archive; unpack it into the folder", "xz 压缩包，请解压到文件夹中"),
    (b"\x89PNG", "a picture", "图片"),
    (b"\xff\xd8\xff", "a picture", "图片"),
    (b"AT&TFORM", "DjVu, pictures of pages", "DjVu（页面图片）"),
    (b"ITSF", "a .chm; convert it to .epub or .html", ".chm 文件，请转换为 .epub 或 .html"),
)  # fmt: skip
# Other documents that are a zip, by a member that only they have.
_PACKED = (
    ("meta-inf/manifest.xml", "an OpenDocument file; save it as .docx", "ODF 文件，请另存为 .docx"),
    ("xl/workbook.xml", "an Excel workbook; save it as .csv", "Excel 表格，请另存为 .csv"),
    ("ppt/presentation.xml", "a presentation; save it as text", "演示文稿，请另存为纯文本"),
)  # fmt: skip


def kind_of(path: Path) -> str:
    """What a file is by its content: ``text`` where it is nothing else.

    Raises DataError for kinds that are known and not read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if head.startswith(_OLE):
            file.seek(0)
            if _ENCRYPTED in file.read(_LARGEST):
                _protected(path, "a password")
    for start, en, zh in _REFUSED:
        if head.startswith(start):
            raise DataError(f"{path}: is {en}.", f"{path}：是{zh}。")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(path)
    begins = head.removeprefix(codecs.BOM_UTF8).lstrip()
    for start, kind in _STARTS:
        if begins.startswith(start):
            return kind
    if all(sign in head[:2000].lower() for sign in _SAVED_PAGE):
        raise DataError(
            f"{path}: is a saved web page (.mht). Save it as .html.",
            f"{path}：是网页存档（.mht），请另存为 .html。",
        )
    if head[60:68] in (b"BOOKMOBI", b"TEXtREAd"):
        return "mobi"
    if head[257:262] == b"ustar":
        return "tar"
    if path.suffix.lower() in (".csv", ".tsv"):
        return "csv"
    return _kind_of_markup(head)


def format_lines(path: Path, kind: str, ledger: Ledger) -> Iterator[str]:
    """The lines of a file that holds one text, headings marked with #. Raises DataError."""
    if kind in _WHOLE and path.stat().st_size > _LARGEST:
        raise DataError(
            f"{path}: is larger than {_LARGEST >> 20} MB, and a .{kind} is read into memory "
            "whole. Split it, or save it as text.",
            f"{path}：大于 {_LARGEST >> 20} MB，而 .{kind} 必须整体读入。请拆分，或另存为纯文本。",
        )
    try:
        yield from _readers()[kind](path, ledger)
    except (DataError, OSError, MemoryError):
        raise
    except Exception as error:  # each library raises its own on a damaged file
        reason = reason_of(error)
        raise DataError(
            f"{path}: is not a .{kind} that can be read ({reason}). Remove it from the folder.",
            f"{path}：不是可读取的 .{kind}（{reason}）。请移出文件夹。",
        ) from None


def _readers() -> dict[str, Callable[[Path, Ledger], Iterator[str]]]:
    return {
        "epub": epub_lines,
        "docx": _docx,
        "pdf": _pdf,
        "mobi": _mobi,
        "rtf": _rtf,
        "html": _html,
        "fb2": _fb2,
    }


FORMATS = ("epub", "docx", "pdf", "mobi", "rtf", "html", "fb2")


def extra(path: Path, module: str, name: str) -> Any:
    """An optional library. Raises DataError with the line that installs it."""
    try:
        return import_module(module)
    except ImportError:
        raise DataError(
            f"{path}: reading it needs {module}. Install it: pip install 'styledial[{name}]'",
            f"{path}：读取它需要 {module}。请安装：pip install 'styledial[{name}]'",
        ) from None


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as packed:
            names = {name.lower() for name in packed.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "epub" if path.suffix.lower() == ".epub" else "zip"
    if "meta-inf/container.xml" in names or any(name.endswith(".opf") for name in names):
        return "epub"
    if "word/document.xml" in names:
        return "docx"
    for sign, en, zh in _PACKED:
        if sign in names:
            raise DataError(f"{path}: is {en}.", f"{path}：是{zh}。")
    return "epub" if path.suffix.lower() == ".epub" else "zip"


def _kind_of_markup(head: bytes) -> str:
    start = tags_of(head).lstrip("\ufeff \r\n\t").lower()
    if re.search(r"<(?:\w+:)?fictionbook", start[:2000]):
        return "fb2"
    if _PAGE.match(start):
        return "html"
    if start.startswith("<?xml") and len(re.findall(r"</[\w:.-]+>", start)) > 2:
        return "html"
    opens = _BLOCK.match(start)
    return "html" if opens and len(re.findall(r"</(?:p|div|h[1-6])>", start)) > 2 else "text"


def _page(page: Page, ledger: Ledger) -> Iterator[str]:
    rows, links = without_links(page.lines, Titles(()))
    for reason, dropped in (*page.dropped, *(("navigation", row) for row in links)):
        ledger.chars_in += len(dropped)
        ledger.drop(Line(0, dropped), reason)
    yield from rows


def _html(path: Path, ledger: Ledger) -> Iterator[str]:
    text = page_text(path.read_bytes())
    if text.lstrip("\ufeff \r\n").startswith("<?xml") and "<html" not in text[:_HEAD].lower():
        yield from _page(Page(as_page(text)), ledger)
    else:
        yield from _page(site_page(text), ledger)


def _fb2(path: Path, ledger: Ledger) -> Iterator[str]:
    """FictionBook: sections with titles; the bodies of notes go."""
    text = re.sub(r"<(/?)\w+:(?=\w)", r"<\1", page_text(path.read_bytes()))  # fb:p is p
    text = re.sub(r"(?is)<(description|binary|stylesheet)\b.*?</\1>", "", text)
    for notes in re.findall(r"(?is)<body\b[^>]*\bname\s*=.*?</body>", text):
        ledger.chars_in += len(notes)
        ledger.drop(Line(0, notes), "notes")
        text = text.replace(notes, "")
    named = re.search(r"(?is)<body\b[^>]*>\s*(?:<image\b[^>]*>\s*)*(<title\b.*?</title>)", text)
    if named and re.search(r"(?i)<title\b", text[named.end() :]):  # the book's, above its chapters
        ledger.chars_in += len(named[1])
        ledger.drop(Line(0, named[1]), "book title")
        text = text[: named.start(1)] + text[named.end(1) :]
    text = re.sub(r"(?i)<(/?)title\b[^>]*>", r"<\1h2>", text)
    text = re.sub(r'(?is)<a\b[^>]*type="note"[^>]*>.*?</a>', "", text)
    yield from _page(Page(text), ledger)


def _rtf(path: Path, ledger: Ledger) -> Iterator[str]:
    striprtf = extra(path, "striprtf.striprtf", "rtf")
    yield from rtf_text(path.read_bytes(), striprtf.rtf_to_text).split("\n")


def _docx(path: Path, ledger: Ledger) -> Iterator[str]:
    html, notes = docx_page(path, extra(path, "mammoth", "docx"))
    page = Page(html)
    page.dropped += [("notes", row) for note in notes for row in Page(note).lines]
    yield from _page(page, ledger)


def _pdf(path: Path, ledger: Ledger) -> Iterator[str]:
    pypdf = extra(path, "pypdf", "pdf")
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it writes of each oddity
    try:
        reader = pypdf.PdfReader(str(path))
        opened = not reader.is_encrypted or reader.decrypt("")
    except pypdf.errors.DependencyError:
        raise DataError(
            f"{path}: is encrypted with AES, which needs the package cryptography. Install it: "
            "pip install cryptography",
            f"{path}：采用 AES 加密，读取它需要 cryptography。请安装：pip install cryptography",
        ) from None
    if not opened:
        _protected(path, "a password")
    yield from pdf_lines(path, reader.pages, ledger)


def _mobi(path: Path, ledger: Ledger) -> Iterator[str]:
    """Kindle's formats, .mobi and .azw3, unpacked to the .epub or page that they were made of."""
    with path.open("rb") as file:
        raw = file.read(1 << 16)
    (place,) = struct.unpack_from(">L", raw, 78)
    if len(raw) > place + 14 and struct.unpack_from(">H", raw, place + 12)[0]:
        _protected(path, "Kindle DRM")
    unpack = extra(path, "mobi.kindleunpack", "mobi").unpackBook
    with tempfile.TemporaryDirectory(prefix="styledial-") as folder:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            unpack(str(path), folder, epubver="A")
        inner = _unpacked(Path(folder))
        yield from _readers()[_OF_KINDLE[inner.suffix]](inner, ledger)


def _unpacked(folder: Path) -> Path:
    """The book among what was unpacked: an .epub, else a page, else a PDF (a print replica)."""
    for pattern in ("mobi8/*.epub", "mobi7/book.html", "*.pdf"):
        if found := sorted(folder.glob(pattern)):
            return found[0]
    raise ValueError("it holds no book")


def _protected(path: Path, by: str) -> NoReturn:
    raise DataError(
        f"{path}: is protected ({by}), so it can't be read. Use a copy without protection.",
        f"{path}：有保护（{by}），无法读取。请使用无保护的版本。",
    )
