"""Wikisource's notices, navigation, title page and the colophon of its exports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from styledial.data.cleaning.ledger import Ledger, Line

_FRONT = 40  # lines: no title page is longer
_SHORT = 80  # characters of its lines
_WIKISOURCE_END = re.compile(
    r"(?:#+\s*)?(?:About this digital edition|关于(?:本|此)(?:数字|电子)版本|關於(?:本|"
    r"此)(?:數位|電子)版本|"
    r"À propos de cette édition électronique|Über diese digitale Ausgabe|Об этом цифровом "
    r"издании)\s*|"
    r".*(?:e-?book|电子书|電子書|livre).{0,30}(?:comes from|来自|來自|"
    r"provient).{0,40}(?:Wikisource|维基文库|維基文庫).*",
    re.I,
)
_WIKISOURCE_LINE = re.compile(
    r".*(?:Retrieved from|Exported from|取自|检索自|Récupérée? de|Abgerufen von|Источник|"
    r"Obtenido de|Estratto da|Obtid[oa] de|出典).{0,20}wikisource.*|"
    r".*(?:this work is in the|此作品|這部作品|本作品|这部作品).{0,30}(?:public domain|"
    r"公有领域|公有領域).*|"
    r"(?:Public ?domain){2}.*|维基文库，自由的图书馆|維基文庫，自由的圖書館|From Wikisource|"
    r"\[(?:编辑|編輯|edit)\]|"
    r"姊妹计划.*|姊妹計劃.*|Download(?:ed)? from Wikisource.*",
    re.I,
)

_AUTHOR = re.compile(r"(?:作者|著者|译者|譯者|author|by)\s*[:：]\s*.{1,40}", re.I)
_NAVIGATION = re.compile(
    r".{0,60}[←→].{0,80}|<\s.{1,40}|.*(?:Jump to navigation|跳转到导航|跳轉至導覽).*|"
    r"(?:Categor(?:y|ies)|分类|分類|Kategorien?|Catégories?)\s*[:：].*",
    re.I,
)


def is_wikisource(head: str) -> bool:
    """Whether the first lines name it, or are of its export."""
    return (
        re.search("wikisource|维基文库|維基文庫|About this digital edition", head, re.I) is not None
    )


def wikisource(
    lines: Iterable[Line], sample: Sequence[Line], ledger: Ledger, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    """Without its notices; what stands under `About this digital edition` goes to the end."""
    ended = False
    front = _title_page(sample, is_title)
    for place, line in enumerate(lines):
        text = line.text.strip().lstrip("# ")
        ended = ended or _WIKISOURCE_END.fullmatch(text) is not None
        if ended:
            _drop(line, "colophon", ledger)
        elif _WIKISOURCE_LINE.fullmatch(text):
            _drop(line, "licence", ledger)
        elif _NAVIGATION.fullmatch(text):
            _drop(line, "navigation", ledger)
        elif place < front or (place < _FRONT and _AUTHOR.fullmatch(text)):
            _drop(line, "title page", ledger)
        else:
            yield line


def _title_page(sample: Sequence[Line], is_title: Callable[[str], bool]) -> int:
    """How many short lines stand before the first chapter's title, or before the last links to
    other chapters; 0 where prose comes first."""
    arrows = 0  # the links to the chapters beside it stand below its title page
    for place, line in enumerate(sample[:_FRONT]):
        text = line.text.strip().lstrip("# ")
        if "→" in text or "←" in text:
            arrows = place
        if _NAVIGATION.fullmatch(text) or _WIKISOURCE_LINE.fullmatch(text):
            continue
        if is_title(text):
            return place
        if len(text) > _SHORT:
            break
    headed = any(line.text.startswith("#") for line in sample[:_FRONT])
    return 0 if headed else arrows


def _drop(line: Line, reason: str, ledger: Ledger) -> None:
    if line.text.strip():
        ledger.drop(line, reason)
