"""A page's bytes -> its text: by a byte order mark, by what it declares, by what it reads as."""

from __future__ import annotations

import re

from styledial.data.reading.encodings import decide, readings

_CHARSET = re.compile(rb"""(?:encoding|charset)\s*=\s*["']?\s*([\w.:-]+)""", re.I)
# What browsers read under these names (WHATWG, Encoding): pages that declare Latin-1 have the
# quotation marks of cp1252.
_READ_AS = {
    "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "gb-2312-80": "gb18030",
    "big5": "big5hkscs", "x-x-big5": "big5hkscs",
    "iso-8859-1": "cp1252", "iso8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252",
    "ascii": "cp1252", "iso-8859-9": "cp1254", "iso-8859-11": "cp874", "tis-620": "cp874",
    "shift-jis": "cp932", "x-sjis": "cp932", "sjis": "cp932",
    "euc-kr": "cp949", "ks-c-5601-1987": "cp949", "ksc5601": "cp949", "windows-949": "cp949",
}  # fmt: skip


def tags_of(raw: bytes) -> str:
    """The beginning of a file, decoded cheaply: what is ASCII, such as tags, is right."""
    marked = _marked(raw)
    return raw.decode("utf-8", "ignore") if marked is None else marked


def _marked(raw: bytes) -> str | None:
    """Decoded by a byte order mark, or as UTF-16 that begins with a tag."""
    for mark, name in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if raw.startswith(mark):
            return raw.decode(name, "replace")
    if raw[:2] in (b"<\0", b"\0<"):
        return raw.decode("utf-16-le" if raw[0] else "utf-16-be", "replace")
    return None


def page_text(raw: bytes) -> str:
    """A page decoded: by its mark, by what it declares, else by what it reads as."""
    marked = _marked(raw)
    if marked is not None:
        return marked
    declared = _CHARSET.search(raw[:1024])
    name = declared[1].decode("ascii").lower() if declared else "utf-8"
    name = _READ_AS.get(name.replace("_", "-"), name)
    if name.startswith(("utf-16", "utf-32")):  # a declaration that is read as ASCII is wrong
        name = "utf-8"
    for tried in (name, "utf-8"):
        try:
            return raw.decode(tried)
        except (UnicodeError, LookupError):
            continue
    found = decide(readings(raw))
    return found.text if found else raw.decode("utf-8", "replace")
