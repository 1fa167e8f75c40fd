"""Headers and footers added by collections: Project Gutenberg, Aozora, Wikisource, AO3 ...,
and lists of other books that publishers put behind a book.

Works on the lines as they come, before anything else, as the wrappers lean on markers, blank
lines and order. A wrapper is recognised in the first lines of a book and by its own words; the
reasons that it gives are `header`, `licence`, `legend`, `colophon`, `contents`, `title page`,
`imprint`, `notes` and `author's note`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from styledial.data.cleaning.ao3 import ao3, is_ao3
from styledial.data.cleaning.aozora import aozora, is_aozora
from styledial.data.cleaning.gutenberg import gutenberg, is_gutenberg
from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.cleaning.publishers import without_lists
from styledial.data.cleaning.serials import site_header, without_header
from styledial.data.cleaning.standard_ebooks import is_standard_ebooks, standard_ebooks
from styledial.data.cleaning.wikisource import is_wikisource, wikisource

_HEAD = 600  # lines


def drop_wrappers(
    lines: Iterable[Line], sample: Sequence[Line], ledger: Ledger, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    """The lines without what the collection that they come from put round and into them."""
    head = "\n".join(line.text for line in sample[:_HEAD])
    if is_standard_ebooks(head):  # its imprint names Project Gutenberg
        return standard_ebooks(lines, ledger, is_title)
    if is_gutenberg(head):
        return without_lists(gutenberg(lines, sample, ledger, is_title), ledger, is_title)
    if is_aozora(head):
        return aozora(lines, ledger)
    if is_ao3(head):
        return ao3(lines, sample, ledger, is_title)
    if is_wikisource(head):
        return wikisource(lines, sample, ledger, is_title)
    if length := site_header(sample, is_title):
        return without_header(lines, length, ledger)
    return without_lists(lines, ledger, is_title)
