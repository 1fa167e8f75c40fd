"""An .epub as lines: a zip of pages, read in the order of its spine.

    META-INF/container.xml -> OEBPS/content.opf -> spine -> pages -> lines

A page that is missing costs that page only. Pages that aren't the book's text (navigation,
copyright, what is marked linear="no") go with a reason.
"""

from __future__ import annotations

import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from styledial.data.cleaning.hyphens import Hyphens
from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.cleaning.unwrap import joint
from styledial.data.reading.epub_pages import goes_on, titled, why_no_prose, why_title_page
from styledial.data.reading.markup import Page
from styledial.data.reading.page_names import hidden_classes
from styledial.data.reading.page_text import page_text
from styledial.data.reading.tags import Tags
from styledial.errors import DataError

_LARGEST = 1 << 29  # bytes unpacked; a book has a few megabytes, a bomb has gigabytes
_PAGES = re.compile(r"\.x?html?$", re.I)
_PICTURES = re.compile(r"\.(?:jpe?g|png|gif|webp|svg|bmp)$", re.I)
_FONTS = re.compile(r"\.(?:otf|ttf|ttc|woff2?|jpe?g|png|gif|svg|css|mp3|mp4)$", re.I)
_FONT_ONLY = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


@dataclass
class _Package:
    """What the .opf says: manifest by id, spine as (id, linear), the book's title."""

    items: dict[str, dict[str, str]] = field(default_factory=dict)
    spine: list[tuple[str, bool]] = field(default_factory=list)
    title: str = ""


def epub_lines(path: Path, ledger: Ledger) -> Iterator[str]:
    """The text of an .epub, a paragraph a line; what isn't prose goes to `ledger`.

    Memory: one page. Raises DataError where the file is no epub, or is protected (DRM).
    """
    try:
        with zipfile.ZipFile(path) as packed:
            yield from _Book(path, packed, ledger).lines()
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib, lzma and bz2 each raise their own on a bad file
        reason = reason_of(error)
        raise DataError(
            f"{path}: is not an .epub that can be read ({reason}). Remove it from the folder.",
            f"{path}：不是可读取的 .epub（{reason}）。请移出文件夹。",
        ) from None


def reason_of(error: Exception) -> str:
    """One line from a library's error about a damaged file; zlib only gives numbers, and what
    Python says of a library's own code tells a reader nothing."""
    said = str(error).split("\n")[0][:100]
    inner = isinstance(
        error, (zlib.error, struct.error, TypeError, AttributeError, LookupError, AssertionError)
    )
    return "damaged" if not said or inner or "Error" in said else said


class _Book:
    def __init__(self, path: Path, packed: zipfile.ZipFile, ledger: Ledger) -> None:
        self.path, self.packed, self.ledger = path, packed, ledger
        size = sum(item.file_size for item in packed.infolist())
        if size > _LARGEST:
            raise ValueError(f"{size >> 20} MB unpacked")
        self.names = {_plain(name): name for name in packed.namelist()}
        self._refuse_protected()

    def lines(self) -> Iterator[str]:
        root, package = self._package()
        hidden = self._hidden_classes()
        titles = self._titles(root, package)
        held = ""
        begun = False  # whether any page of the text has come
        for href in dict.fromkeys(self._spine(root, package)):
            known = titles.get(_plain(href), {})
            page = Page(page_text(self._read(href)), hidden, known)
            for reason, text in page.dropped:
                self._drop(reason, text)
            if reason := why_no_prose(page) or (
                "" if begun else why_title_page(page, package.title)
            ):
                self._drop(reason, "\n".join(page.lines))
                continue
            rows = titled(page, known)
            begun = begun or bool(rows)
            if held and rows and goes_on(held, rows[0]):
                left, space = joint(held, rows[0], Hyphens(), spaced=True)
                rows[0] = left + space + rows[0]
            elif held:
                yield held
            held = rows.pop() if rows else ""
            yield from rows
        if held:
            yield held
        elif not begun and any(_PICTURES.search(name) for name in self.packed.namelist()):
            raise DataError(
                f"{self.path}: holds pictures and no text. Run OCR on it first.",
                f"{self.path}：只有图片，没有文字。请先做文字识别（OCR）。",
            )

    def _refuse_protected(self) -> None:
        rights = self.names.get("meta-inf/encryption.xml")
        text = self._read("META-INF/encryption.xml").decode("utf-8", "replace") if rights else ""
        encrypted: list[str] = []  # what each method but a font's own is used on
        ours = False
        for tag, given, _ in Tags(text).found:
            if tag == "encryptionmethod":
                ours = given.get("algorithm", "") not in _FONT_ONLY
                encrypted += [""] * ours
            elif tag == "cipherreference" and ours:
                encrypted[-1] = given.get("uri", "")
        if all(map(_FONTS.search, encrypted)):
            return
        kinds = {
            "license.lcpl": "Readium LCP",
            "sinf.xml": "Apple FairPlay",
            "rights.xml": "Adobe ADEPT",
        }
        kind = next((k for name, k in kinds.items() if f"meta-inf/{name}" in self.names), "DRM")
        raise DataError(
            f"{self.path}: is protected ({kind}, DRM), so it can't be read. Use a copy without "
            "protection.",
            f"{self.path}：有版权保护（{kind}，DRM），无法读取正文。请使用无保护的版本。",
        )

    def _package(self) -> tuple[str, _Package]:
        """(folder of the .opf, what it says); an empty package where there is none."""
        place = ""
        if "meta-inf/container.xml" in self.names:
            tags = Tags(self._text("META-INF/container.xml"))
            place = next((a.get("full-path", "") for t, a, _ in tags.found if t == "rootfile"), "")
        if _plain(place) not in self.names:
            place = next(
                (name for name in self.names.values() if name.lower().endswith(".opf")), ""
            )
        package = _Package()
        for tag, given, text in Tags(self._text(place)).found if place else ():
            if tag == "title":
                package.title = package.title or text
            elif tag == "item":
                package.items[given.get("id", "")] = given
            elif tag == "itemref":
                package.spine.append((given.get("idref", ""), given.get("linear", "yes") != "no"))
        return posixpath.dirname(place.replace("\\", "/")), package

    def _spine(self, root: str, package: _Package) -> Iterator[str]:
        """The pages to read, in order; what is dropped goes into the ledger."""
        known = [
            (package.items[name], linear) for name, linear in package.spine if name in package.items
        ]
        if not known:
            known = [(item, True) for item in package.items.values() if _is_page(item)]
        found = 0
        for item, linear in known:
            href = self._find(root, item.get("href", ""))
            if href is None:
                self._drop("missing page", item.get("href", ""))
            elif "nav" in item.get("properties", "").split():
                found += 1
            elif not linear:
                self._drop(
                    "not in the reading order", "\n".join(Page(page_text(self._read(href))).lines)
                )
            elif _is_page(item):
                found += 1
                yield href
        for name, _ in package.spine:
            if name not in package.items:
                self._drop("missing page", name)
        if not found:
            yield from sorted(name for name in self.packed.namelist() if _PAGES.search(name))

    def _titles(self, root: str, package: _Package) -> dict[str, dict[str, str]]:
        """The titles that the table of contents gives to each page: to its places by their ids,
        to the whole page under ""."""
        titles: dict[str, dict[str, str]] = {}
        for item in package.items.values():
            is_nav = "nav" in item.get("properties", "").split()
            href = self._find(root, item.get("href", ""))
            if href is None or not (is_nav or "ncx" in item.get("media-type", "")):
                continue
            label = ""
            of_contents = True  # and not of the list of the paper book's pages
            for tag, given, text in Tags(self._text(href)).found:
                if tag in ("nav", "navmap", "pagelist", "navlist"):
                    of_contents = tag == "navmap" or given.get("epub:type", "") == "toc"
                label = text.strip() if tag in ("text", "a") else label
                target = given.get("src" if tag == "content" else "href", "")
                if of_contents and tag in ("content", "a") and target and label:
                    page = _plain(self._find(posixpath.dirname(href), target) or "")
                    place = unquote(target.partition("#")[2])
                    titles.setdefault(page, {}).setdefault(place, label)
        return titles

    def _hidden_classes(self) -> set[str]:
        sheets = [name for name in self.packed.namelist() if name.lower().endswith(".css")]
        return (
            set().union(*(hidden_classes(self._text(name)) for name in sheets)) if sheets else set()
        )

    def _find(self, root: str, href: str) -> str | None:
        """The member that a link means: by path, else by its last part alone."""
        wanted = _plain(posixpath.join(root, unquote(href.split("#")[0]).replace("\\", "/")))
        if wanted in self.names:
            return self.names[wanted]
        last = posixpath.basename(wanted)
        alike = [name for plain, name in self.names.items() if posixpath.basename(plain) == last]
        return alike[0] if len(alike) == 1 and last else None

    def _read(self, name: str) -> bytes:
        return self.packed.read(self.names[_plain(name)])

    def _text(self, name: str) -> str:
        return page_text(self._read(name))

    def _drop(self, reason: str, text: str) -> None:
        self.ledger.chars_in += len(text)
        self.ledger.drop(Line(0, text), reason)


def _plain(name: str) -> str:
    """A member's name in one form: slashes, no dots, lower case."""
    return posixpath.normpath(name.replace("\\", "/")).lower() if name else ""


def _is_page(item: dict[str, str]) -> bool:
    kind = item.get("media-type", "")
    return "html" in kind or bool(_PAGES.search(item.get("href", "")))
