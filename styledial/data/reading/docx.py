"""A .docx as HTML: mammoth converts it, once what mammoth leaves out has been put in reach of it.

readings of ruby, hidden runs                    go
the base of ruby, fields, text of a direction    stay (mammoth drops what is inside them)
styles with an outline level                     are headings, whatever they are called
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from styledial.data.reading.tags import Tags

_DOCUMENT, _STYLES = "word/document.xml", "word/styles.xml"
_LARGEST = 1 << 28  # bytes of the text unpacked
_AROUND_TEXT = re.compile(r"</?w:(?:fldSimple|bdo|dir)\b[^<>]*>")
_HIDDEN = re.compile(r"<w:(?:vanish|webHidden)(?:\s*/>|\s+w:val=\"(?:1|true|on)\"\s*/>)")
_RUN = re.compile(r"<w:r(?:\s[^<>]*)?>")
_OF_CONTENTS = re.compile(r"(?:toc (?:\d|heading)|table of figures|目录 ?\d?)", re.I)
_NOTES = re.compile(r'(?is)<ol><li id="[^"]*(?:foot|end)note-.*?</ol>')


def docx_page(path: Path, mammoth: Any) -> tuple[str, list[str]]:
    """(the document as HTML, its notes). Raises what zipfile and mammoth do on a damaged file."""
    with zipfile.ZipFile(path) as packed:
        known = _STYLES in packed.namelist()
        styles = _styles(_read(packed, _STYLES).decode("utf-8", "replace")) if known else ""
        plain = _prepared(packed)
    html = mammoth.convert_to_html(
        plain, style_map=styles, convert_image=mammoth.images.img_element(lambda image: {})
    ).value
    return _NOTES.sub("", html), _NOTES.findall(html)


def _read(packed: zipfile.ZipFile, name: str) -> bytes:
    if packed.getinfo(name).file_size > _LARGEST:
        raise ValueError(f"{name} is larger than {_LARGEST >> 20} MB")
    return packed.read(name)


def _prepared(packed: zipfile.ZipFile) -> io.BytesIO:
    """The same file with its text in reach of mammoth."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as copy:
        for item in packed.infolist():
            if item.filename == _DOCUMENT:
                copy.writestr(_DOCUMENT, _plain(_read(packed, _DOCUMENT)))
            elif item.filename.endswith((".xml", ".rels")):
                copy.writestr(item.filename, _read(packed, item.filename))
            elif not item.is_dir():  # a picture: named, so that no relation leads nowhere
                copy.writestr(item.filename, b"")
    return held


def _plain(raw: bytes) -> bytes:
    try:
        return plain_text(raw.decode("utf-8")).encode("utf-8")
    except UnicodeDecodeError:  # UTF-16, which XML may be in too
        return raw


def plain_text(xml: str) -> str:
    """document.xml with ruby as its base, without hidden runs, without what stands round text."""
    return _without_hidden(_AROUND_TEXT.sub("", _without_ruby(xml)))


def _without_ruby(xml: str) -> str:
    first, *parts = re.split(r"<w:ruby>|<w:ruby\s[^<>]*>", xml)
    kept = [first]
    for part in parts:
        inner, end, rest = part.partition("</w:ruby>")
        base = inner.partition("<w:rubyBase>")[2].partition("</w:rubyBase>")[0]
        # The run round the ruby ends before the runs of its base begin: runs don't nest.
        kept.append(f"</w:r>{base}<w:r>{rest}" if end else part)
    return "".join(kept)


def _without_hidden(xml: str) -> str:
    if _HIDDEN.search(xml) is None:
        return xml
    return "".join(map(_without_hidden_run, re.split(r"(?<=</w:r>)", xml)))


def _without_hidden_run(part: str) -> str:
    """What ends with a run, without it where it is hidden."""
    begins = [found.start() for found in _RUN.finditer(part)]
    hidden = begins and _HIDDEN.search(part, begins[-1])
    return part[: begins[-1]] if hidden else part


def _styles(xml: str) -> str:
    """mammoth's map of styles: those with an outline level, or based on one, are headings; those
    of a table of contents are contents."""
    names: dict[str, str] = {}
    based: dict[str, str] = {}
    heads: set[str] = set()
    style = ""
    for tag, given, _ in Tags(xml).found:
        value = given.get("w:val", "")
        if tag == "style":
            style = given.get("w:styleid", "") if given.get("w:type") == "paragraph" else ""
        elif tag == "name" and style:
            names[style] = value
        elif tag == "basedon" and style:
            based[style] = value
        elif (tag == "outlinelvl" and value in set("012345")) and style:
            heads.add(style)
    return "\n".join(_rows(names, based, heads))


def _rows(names: dict[str, str], based: dict[str, str], heads: set[str]) -> Iterator[str]:
    for style, name in names.items():
        if "'" in name or "\\" in name:
            continue
        if _OF_CONTENTS.fullmatch(name):
            yield f"p[style-name='{name}'] => p.toc-entry:fresh"
        elif name.lower() == "title" or _inherits(style, based, heads):
            yield f"p[style-name='{name}'] => h1:fresh"


def _inherits(style: str, based: dict[str, str], heads: set[str]) -> bool:
    """Whether a style or one that it is based on is of a heading."""
    seen: set[str] = set()
    while style and style not in seen:
        if style in heads:
            return True
        seen.add(style)
        style = based.get(style, "")
    return False
