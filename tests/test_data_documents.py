"""Word processors' files: .docx and .rtf as they write them, nothing of the text lost."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from styledial.data.cleaning.ledger import Ledger
from styledial.data.reading.formats import format_lines, kind_of
from styledial.errors import DataError

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
SAID = "The women on the quay were folding their umbrellas."


def docx(body: str, styles: str = "") -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed:
        packed.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="xml" ContentType="application/xml"/></Types>',
        )
        relation = f'<Relationship Id="r1" Type="{OFFICE}/%s" Target="%s"/>'
        head = f'<Relationships xmlns="{PACKAGE}">%s</Relationships>'
        packed.writestr("_rels/.rels", head % relation % ("officeDocument", "word/document.xml"))
        packed.writestr("word/_rels/document.xml.rels", head % relation % ("styles", "styles.xml"))
        packed.writestr("word/styles.xml", f"<w:styles {WORD}>{styles}</w:styles>")
        packed.writestr(
            "word/document.xml", f"<w:document {WORD}><w:body>{body}</w:body></w:document>"
        )
    return held.getvalue()


def run(text: str, how: str = "") -> str:
    return f'<w:r><w:rPr>{how}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(inner: str, style: str = "") -> str:
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>{inner}</w:p>'


def lines(tmp_path: Path, name: str, raw: bytes) -> list[str]:
    (tmp_path / name).write_bytes(raw)
    return list(format_lines(tmp_path / name, kind_of(tmp_path / name), Ledger()))


RUBY = (
    "<w:r><w:ruby><w:rubyPr/><w:rt><w:r><w:t>がんぺき</w:t></w:r></w:rt><w:rubyBase><w:r>"
    "<w:t>岸壁</w:t></w:r></w:rubyBase></w:ruby></w:r>"
)


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        (RUBY + run("に雨が降り、") + RUBY + run("は静かだ。"), "岸壁に雨が降り、岸壁は静かだ。"),
        (run("The ") + f'<w:fldSimple w:instr="REF x">{run("quay")}</w:fldSimple>', "The quay"),
        (run("The ") + f'<w:bdo w:val="ltr">{run("quay")}</w:bdo>', "The quay"),
        (run("The ") + run("old ", "<w:vanish/>") + run("quay"), "The quay"),
        (run("The ") + f'<w:ins w:id="1">{run("quay")}</w:ins>', "The quay"),
        (
            run("The quay") + '<w:del w:id="1"><w:r><w:delText>s</w:delText></w:r></w:del>',
            "The quay",
        ),
        ("<w:r><w:t>um</w:t><w:softHyphen/><w:t>brellas</w:t></w:r>", "um\u00adbrellas"),
    ],
)
def test_what_a_paragraph_holds(tmp_path: Path, inner: str, text: str) -> None:
    """The base of ruby was lost with its reading, and so were fields."""
    pytest.importorskip("mammoth", reason="the docx extra is not installed")
    assert lines(tmp_path, "a.docx", docx(paragraph(inner))) == [text]


def test_styles_of_any_name_with_an_outline_level_are_headings(tmp_path: Path) -> None:
    pytest.importorskip("mammoth", reason="the docx extra is not installed")
    style = '<w:style w:type="paragraph" w:styleId="{0}"><w:name w:val="{1}"/>{2}</w:style>'
    styles = (
        style.format("a", "Kapitelkopf", '<w:pPr><w:outlineLvl w:val="0"/></w:pPr>')
        + style.format("b", "Mein Kopf", '<w:basedOn w:val="a"/>')
        + style.format("c", "Title", "")
        + style.format("t", "toc 1", "")
        + style.format("n", "Normal", '<w:pPr><w:outlineLvl w:val="9"/></w:pPr>')
    )
    body = paragraph(run("Die Fähre 3"), "t") + "".join(
        paragraph(run(head), name) + paragraph(run(SAID), "n")
        for name, head in (("a", "Die Fähre"), ("b", "Der Turm"), ("c", "Die Karte"))
    )
    assert lines(tmp_path, "a.docx", docx(body, styles)) == [
        row for head in ("Die Fähre", "Der Turm", "Die Karte") for row in (f"# {head}", SAID)
    ]


def test_parts_of_a_document_in_other_encodings_do_no_harm(tmp_path: Path) -> None:
    pytest.importorskip("mammoth", reason="the docx extra is not installed")
    held = io.BytesIO(docx(paragraph(run(SAID))))
    with zipfile.ZipFile(held, "a") as packed:
        packed.writestr("customXml/item1.xml", "<a>é</a>".encode("utf-16"))
    assert lines(tmp_path, "a.docx", held.getvalue()) == [SAID]


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        (
            "a.docx",
            b"\xd0\xcf\x11\xe0" + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
            "is protected (a password)",
        ),
        ("a.docx", b"\xd0\xcf\x11\xe0" + bytes(600), "an old Word file or HWP"),
        ("a.txt", "META-INF/manifest.xml", "an OpenDocument file; save it as .docx"),
        ("a.docx", "xl/workbook.xml", "an Excel workbook; save it as .csv"),
    ],
)
def test_other_documents_are_refused_by_name(
    tmp_path: Path, name: str, raw: bytes | str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    if isinstance(raw, str):
        with zipfile.ZipFile(tmp_path / name, "w") as packed:
            packed.writestr(raw, "x")
    else:
        (tmp_path / name).write_bytes(raw)
    with pytest.raises(DataError, match=reason.replace("(", r"\(").replace(")", r"\)")):
        kind_of(tmp_path / name)


def escaped(text: str, encoding: str, letters: bool = False) -> str:
    """Text as RTF escapes it; `letters`: second bytes that are letters stand as such."""
    return "".join(
        c
        if c < "\x7f"
        else "".join(
            chr(b) if letters and i and chr(b).isalpha() and b < 127 else f"\\'{b:02x}"
            for i, b in enumerate(c.encode(encoding))
        )
        for c in text
    )


GERMAN = "„Sie sind früh“, sagte der Hafenmeister und schwieg größtenteils."
RUSSIAN = "Дождь перестал прежде, чем паром подошёл к берегу, и женщины складывали зонты."
JAPANESE = "ソ連の女たちは傘を畳み、能と表を見て、雨は船が着く前に止んだ。"
CHINESE = "她說這碼頭後來沒人記得，鏈條與羅盤都壞了，雨在渡船靠岸之前就停了。"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rf"\ansi\ansicpg10000 {escaped(GERMAN, 'mac_roman')}", GERMAN),
        (rf"\mac {escaped(GERMAN, 'mac_roman')}", GERMAN),
        (rf"\ansi\ansicpg65001 {escaped(GERMAN, 'utf-8')}", GERMAN),
        (rf"\ansi\ansicpg1251 {escaped(RUSSIAN, 'cp1251')}", RUSSIAN),
        (rf"\ansi\ansicpg932 {escaped(JAPANESE, 'cp932')}", JAPANESE),
        (rf"\ansi\ansicpg932 {escaped(JAPANESE, 'cp932', letters=True)}", JAPANESE),
        (rf"\ansi\ansicpg936 {escaped(CHINESE, 'gbk', letters=True)}", CHINESE),
        (r"\ansi He waved \u-10179?\u-8704? twice.", "He waved 😀 twice."),
        (r'{\field{\*\fldinst{HYPERLINK "http://x.com" }}{\fldrslt{The quay}}}', "The quay"),
        (r"\trowd The quay\cell A lamp\cell\row", "The quay\nA lamp"),
        (r"\ansi In C:\\bin7 and C:\\cell it is cold.", r"In C:\bin7 and C:\cell it is cold."),
    ],
)
def test_rtf_as_word_processors_write_it(tmp_path: Path, body: str, text: str) -> None:
    pytest.importorskip("striprtf", reason="the rtf extra is not installed")
    raw = rf"{{\rtf1{body}\par}}".encode("ascii")
    assert [row for row in lines(tmp_path, "a.rtf", raw) if row] == text.split("\n")


def test_a_picture_in_bytes_takes_no_text_with_it(tmp_path: Path) -> None:
    pytest.importorskip("striprtf", reason="the rtf extra is not installed")
    picture = rb"{\pict\jpegblip\bin9 }}\par}" + b"\xff\xd8" + b"}"
    raw = rb"{\rtf1\ansi\ansicpg936 " + picture + CHINESE.encode("gbk") + rb"\par}"
    assert [row for row in lines(tmp_path, "a.rtf", raw) if row] == [CHINESE]


@pytest.mark.parametrize(
    ("page", "encoding", "text"),
    [
        (r"\ansicpg936", "gbk", CHINESE),
        (r"\ansicpg932", "cp932", JAPANESE),
        (r"\ansicpg1251", "cp1251", RUSSIAN),
        (r"\ansicpg1252", "utf-8", CHINESE),
        ("", "gbk", CHINESE),
    ],
)
@pytest.mark.parametrize("before", [b"", b"\n"])
def test_rtf_with_its_letters_as_plain_bytes(
    tmp_path: Path, page: str, encoding: str, text: str, before: bytes
) -> None:
    """They came out as cp1252, whatever the file declares."""
    pytest.importorskip("striprtf", reason="the rtf extra is not installed")
    raw = rf"{{\rtf1\ansi{page} {text}\par}}".encode(encoding)
    assert [row for row in lines(tmp_path, "a.rtf", before + raw) if row] == [text]
