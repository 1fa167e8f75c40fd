"""PDF: paragraphs whole across rows and pages, what the edition prints at the edges goes."""

from __future__ import annotations

import importlib.util
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from styledial.data.cleaning.ledger import Ledger
from styledial.data.reading.formats import format_lines
from styledial.data.reading.pdf import _Layout
from styledial.data.reading.pdf_pages import Row
from styledial.data.reading.pdf_vertical import turned
from styledial.errors import DataError

pytest.importorskip("pypdf", reason="the pdf extra is not installed")

SENTENCES = [
    "The rain had stopped before the ferry came in, and the women were folding umbrellas.",
    "Marta counted the crates twice, because the first number had not pleased her.",
    "By noon the fog had come back, and with it the smell of tar and oranges.",
    "Behind the customs shed two boys were throwing stones at a bottle; neither hit it.",
    "The letter was still in her coat, soft as cloth from being read.",
    "When the bell rang she lifted the smallest crate and walked up the hill with it.",
    "Nobody in the upper town remembered who had built the observatory.",
    "At the top was a door that only opened inwards, and a lamp that nobody trimmed.",
]
PARAGRAPHS = [" ".join(SENTENCES[i : i + 3]) for i in range(6)]
Placed = tuple[float, float, float, str]  # x, y, size, text


def pdf(pages: list[list[Placed]]) -> bytes:
    objects = ["<</Type/Catalog/Pages 2 0 R>>", "", "<</Type/Font/Subtype/Type1/BaseFont/Courier>>"]
    kids = ""
    for page in pages:
        rows = "".join(
            f"/F1 {size} Tf 1 0 0 1 {x} {y} Tm ({text}) Tj " for x, y, size, text in page
        )
        stream = f"BT {rows}ET"
        fonts = "/Resources<</Font<</F1 3 0 R>>>>"
        kids += f"{len(objects) + 1} 0 R "
        place = len(objects) + 2
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents {place} 0 R{fonts}>>"
        )
        objects.append(f"<</Length {len(stream)}>>stream\n{stream}\nendstream")
    objects[1] = f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>"
    raw, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(raw))
        raw += f"{number} 0 obj{content}endobj\n"
    size = len(objects) + 1
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(raw)}\n%%EOF"
    return f"{raw}xref\n0 {size}\n0000000000 65535 f \n{table}{end}".encode("latin-1")


def read(tmp_path: Path, pages: list[list[Placed]]) -> tuple[list[str], Ledger]:
    (tmp_path / "a.pdf").write_bytes(pdf(pages))
    ledger = Ledger()
    return list(format_lines(tmp_path / "a.pdf", "pdf", ledger)), ledger


def book(
    width: int = 60, indent: float = 0, gap: float = 0, per_page: int = 7, left: float = 50
) -> list[list[Placed]]:
    """Pages of PARAGRAPHS broken at `width`, `per_page` rows each."""
    pages: list[list[Placed]] = [[]]
    y = 700.0
    for paragraph in PARAGRAPHS:
        for i, row in enumerate(textwrap.wrap(paragraph, width, break_on_hyphens=False)):
            if len(pages[-1]) == per_page:
                pages.append([])
                y = 700.0
            pages[-1].append((left + (0 if i else indent), y, 12, row))
            y -= 14
        y -= gap
    return pages


@pytest.mark.parametrize("layout", [{"indent": 15}, {"gap": 10}, {"indent": 15, "per_page": 5}])
def test_paragraphs_are_whole(tmp_path: Path, layout: dict[str, int]) -> None:
    assert read(tmp_path, book(**layout))[0] == PARAGRAPHS


HEADS: list[Callable[[int], list[Placed]]] = [
    lambda n: [(200, 750, 9, "THE TIDE LEDGER"), (300, 40, 9, str(n))],
    lambda n: [(200, 750, 12, f"{n}  THE TIDE LEDGER" if n % 2 else f"A. WRITER  {n}")],
    lambda n: [(200, 750, 9, "THE TIDE LEDGER"), (400, 750, 9, f"Page {n} of 20")],
    lambda n: [(300, 40, 12, f"- {n + 40} -")],
    lambda n: [(200, 714, 12, "THE TIDE LEDGER")],  # as near to the text as its own lines
]


@pytest.mark.parametrize("head", HEADS)
def test_heads_and_page_numbers_go(tmp_path: Path, head: Callable[[int], list[Placed]]) -> None:
    """They were prose in the middle of a sentence, and each page number a chapter."""
    pages = [[*head(n), *page] for n, page in enumerate(book(indent=15, per_page=6), 1)]
    rows, ledger = read(tmp_path, pages)
    assert rows == PARAGRAPHS
    assert ledger.drops.keys() <= {"running head", "page number"}
    assert ledger.chars_in == sum(ledger.drops.values())


def test_lines_of_the_text_that_are_alike_stay(tmp_path: Path) -> None:
    """A refrain at the top of three pages, and a number that a sentence has there."""
    pages = book(indent=15, per_page=6)
    said = [[(65.0, 714.0, 12.0, "He said no."), *page] for page in pages]
    rows, ledger = read(tmp_path, [*said[:3], *pages * 2])
    assert ("\n".join(rows).count("He said no."), ledger.drops.total()) == (3, 0)


def test_two_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    columns = book(width=30, indent=15, per_page=9)
    right = [[(x + 260, y, size, row) for x, y, size, row in page] for page in columns]
    pages = [[*a, *b] for a, b in zip(columns[::2], right[1::2], strict=False)]
    assert (
        read(tmp_path, pages if len(columns) % 2 == 0 else [*pages, columns[-1]])[0] == PARAGRAPHS
    )


def test_words_that_a_row_breaks_are_whole(tmp_path: Path) -> None:
    page: list[Placed] = [
        (65, 700, 12, "She had brought um-"),
        (50, 686, 12, "brellas for every-"),
        (50, 672, 12, "body, and a well-"),
        (50, 658, 12, "made lamp."),
        (65, 644, 12, "The well-made lamp"),
        (50, 630, 12, "was for nobody."),
    ]
    assert read(tmp_path, [page])[0] == [
        "She had brought umbrellas for everybody, and a well-made lamp.",
        "The well-made lamp was for nobody.",
    ]


def test_what_is_printed_large_is_a_heading(tmp_path: Path) -> None:
    pages = book(indent=15, per_page=30)
    pages[0].insert(0, (200, 740, 18, "The Ferry"))
    pages.append([(200, 740, 18, "The Chart"), *book(indent=15, per_page=30)[0]])
    rows, _ = read(tmp_path, pages)
    assert rows == ["# The Ferry", *PARAGRAPHS, "# The Chart", *PARAGRAPHS]


def test_a_large_first_letter_belongs_to_its_word(tmp_path: Path) -> None:
    pages = book(indent=15, per_page=30)
    x, y, size, row = pages[0][0]
    pages[0][:1] = [(50, y - 14, 40, row[0]), (x + 30, y, size, row[1:])]
    assert read(tmp_path, pages)[0] == PARAGRAPHS


def test_pages_without_text_are_scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    with pytest.raises(DataError, match="is scanned: its 3 pages have no text layer"):
        read(tmp_path, [[], [(50, 50, 9, "2")], []])


def test_aes_names_the_package_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PDF that only forbids printing was `not a .pdf that can be read … Remove it`."""
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    if importlib.util.find_spec("cryptography") or importlib.util.find_spec("Crypto"):
        pytest.skip("cryptography is installed")
    locked = (
        "<</Filter/Standard/V 5/R 6/Length 256/P -1340/EncryptMetadata true/StmF/StdCF/StrF/StdCF"
        "/CF<</StdCF<</AuthEvent/DocOpen/CFM/AESV3/Length 32>>>>"
        f"/U<{'00' * 48}>/O<{'00' * 48}>/UE<{'00' * 32}>/OE<{'00' * 32}>/Perms<{'00' * 16}>>>"
    )
    raw = pdf(book()).replace(b"/Root", f"/ID[<00><00>]/Encrypt {locked}/Root".encode())
    (tmp_path / "a.pdf").write_bytes(raw)
    with pytest.raises(DataError, match="pip install cryptography"):
        list(format_lines(tmp_path / "a.pdf", "pdf", Ledger()))


BALLAD = [
    "The river keeps its own account",
    "of everyone who crossed",
    "the mill, the chapel and the mount,",
    "the money that they lost",
    "and nothing in the water tells",
    "the counter from the coin",
    "a fish goes by, a bucket swells,",
    "the two banks never join",
]
FREE = [
    "I went down to the harbour",
    "where my father kept the boat",
    "and nobody had painted it",
    "the gulls",
    "were walking along the gunwale as if it were theirs",
    "and the tide which has no memory",
    "took it away from me",
    "slowly",
    "the way a nurse takes a cup",
]


BLANK_VERSE = [
    "When first the ferry left the northern quay",
    "No lamp was lit, and nobody had come",
    "To see the women fold their black umbrellas,",
    "Or hear the bell that told the town of rain",
    "And sent the boys in twos along the sand",
    "With stones and bottles, and the tide behind,",
    "While I, who had the crates to count again,",
    "Forgot the number and the name of it",
    "And all the reasons why I ever left",
]


@pytest.mark.parametrize("verse", [BALLAD * 2, FREE, BLANK_VERSE])
def test_verse_keeps_its_lines(tmp_path: Path, verse: list[str]) -> None:
    """They were one paragraph: no line of it ends a sentence."""
    page: list[Placed] = [(50, 700 - 14 * i, 12, row) for i, row in enumerate(verse)]
    assert read(tmp_path, [page])[0] == verse


def test_a_stanza_stands_apart(tmp_path: Path) -> None:
    page: list[Placed] = [(50, 700 - 14 * i - i // 4 * 14, 12, row) for i, row in enumerate(BALLAD)]
    assert read(tmp_path, [page])[0] == [*BALLAD[:4], "", *BALLAD[4:]]


def test_a_number_or_a_salutation_above_prose_stands_alone(tmp_path: Path) -> None:
    rows = ["1", "Dear Tom", *textwrap.wrap(" ".join(SENTENCES), 50), "Yours", "Marta"]
    page: list[Placed] = [(50, 700 - 14 * i, 12, row) for i, row in enumerate(rows)]
    assert read(tmp_path, [page])[0] == ["1", "Dear Tom", " ".join(SENTENCES), "Yours", "Marta"]


@pytest.mark.parametrize(
    ("head", "foot"),
    [("1", "Nobody came."), ("Dear Tom,", "Yours, Marta"), ("12 March 191{}", "Marta")],
)
def test_pages_that_are_texts_of_their_own_keep_their_first_and_last_rows(
    tmp_path: Path, head: str, foot: str
) -> None:
    """A number, a salutation and a refrain on each page were the edition's."""
    pages: list[list[Placed]] = []
    said: list[str] = []
    for n in range(1, 6):
        begins = str(n) if head == "1" else head.format(n)
        rows = [begins, "", *textwrap.wrap(PARAGRAPHS[n - 1], 60), "", foot]
        pages.append([(50, 700 - 14 * i, 12, row) for i, row in enumerate(rows) if row])
        pages[-1].append((300, 40, 12, f"{n + 4}"))
        said += [begins, PARAGRAPHS[n - 1], foot]
    rows, ledger = read(tmp_path, pages)
    assert (rows, set(ledger.drops)) == (said, {"page number"})


def test_a_contents_page_is_a_title_a_row(tmp_path: Path) -> None:
    titles = [f"The Ferry {n} ..... {n * 10}" for n in range(1, 6)]
    page: list[Placed] = [(50, 700 - 14 * i, 12, title) for i, title in enumerate(titles)]
    rows, _ = read(tmp_path, [page, *book(gap=10, per_page=30)])
    assert rows == [*titles, *PARAGRAPHS]


@pytest.mark.parametrize(
    "begins", ["“没有了，客官。”掌柜的把门板一块一块装上去，", "3月的雪，比腊月的还冷些，"]
)
def test_a_chinese_row_needs_room_for_two_characters_only(begins: str) -> None:
    """A row that began with a curly quotation mark or a digit was one long word."""
    layout = _Layout(12, {0: [50.0], 1: [50.0]}, 14, 24)
    before = Row("很快积了一小滩水。", 50, 700, 12, 1)
    assert layout.is_last(before, Row(begins, 50, 686, 12, 1))


def test_a_change_of_font_within_a_line_parts_no_word(tmp_path: Path) -> None:
    """Browsers place each run anew, from the beginning of its line."""
    again = ") Tj ET BT /F1 12 Tf 1 0 0 1 50 700 Tm {} 0 Td ("
    row = "She nev" + again.format(50.4) + "er" + again.format(64.8) + ", he said, would go."
    rows, _ = read(tmp_path, [[(50, 700, 12, row)]])
    assert rows == ["She never, he said, would go."]


@pytest.mark.parametrize("foot", ["https://site.example/novel-17/ {}/3", "book-2 v4 page {}"])
def test_any_number_of_a_small_line_may_count_the_pages(tmp_path: Path, foot: str) -> None:
    pages = book(gap=10)[:3]
    for number, page in enumerate(pages, 1):
        page.append((40, 20, 8, foot.format(number)))
    rows, ledger = read(tmp_path, pages)
    assert not any("17" in row or "v4" in row for row in rows)
    assert ledger.drops["running head"] == sum(len(foot) - 1 for _ in pages)


_COLUMNS = [
    "　夜がまだ明けきらぬうちに、澄江は渡し場へ",
    "着いた。霧が深い。",
    "　「今日は舟は出ねえよ」と船頭は言った。",
]


@pytest.mark.parametrize("single", [True, False])
def test_vertical_lines_are_turned(single: bool) -> None:
    """From right to left; each character placed by itself, or a column at once."""
    rows = []
    for i, column in enumerate(_COLUMNS):
        indent = 10 * (len(column) - len(column.lstrip()))
        text = column.strip()
        for k, part in enumerate(text if single else [text]):
            rows.append(Row(part, 300 - 18 * i, 500 - indent - 10 * k, 10, 1))
    number = Row("12", 200, 20, 8, 1)
    found = turned([[*rows, number]])
    assert found is not None
    around, columns = found
    assert [row.text for row in columns[0]] == [column.strip() for column in _COLUMNS]
    assert [row.x for row in columns[0]] == [-490, -500, -490]
    assert around[0][1:] == [number]


def test_horizontal_lines_are_not_turned() -> None:
    rows = [Row(column, 50, 500 - 18 * i, 10, 1) for i, column in enumerate(_COLUMNS)]
    assert turned([rows]) is None
    assert turned([[Row("A", 300, 500, 10, 1), Row("B", 280, 500, 10, 1)]]) is None
