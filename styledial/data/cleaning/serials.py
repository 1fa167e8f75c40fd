"""Sites of serials: the header of a 晋江 or 起点 export, and notices against stolen copies."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from styledial.data.cleaning.front import SENTENCE
from styledial.data.cleaning.ledger import Ledger, Line

_HEADER = 200  # lines
_LONGEST = 2000  # characters of a header that are in no label, such as a blurb
_FEW, _MANY = 3, 5  # labels of a header, and of one that no known title ends
_LONGEST_END = 600  # characters that go on below its last label
_BETWEEN = 5  # lines from one of them to the next
_PROLOGUE = 2  # sentences above or below the labels that are a prologue
_TRANSLATED = (
    "Edit(?:or)?|Beta(?:-?reader)?|Dịch(?: giả)?|Người dịch|Biên tập|Chuyển ngữ|Convert(?:er)?|"
    "Nguồn(?: convert| dịch)?"
)
_LABEL = re.compile(
    r"(?:文案|内容标签|搜索关键字|一句话简介|立意|主角|配角|作品视角|文章类型|文章状态|作品分类|分类|类别|类型|状态|"
    r"书名|插画|插图|译者|翻译|扫图|图源|录入|校对|修图|润色|字数|总字数|总点击|总推荐|最后更新|最新更新|内容简介|作品简介|简介|标签|授权状态|作者)\s*[:：].*|"
    r"《[^》]{1,40}》\s*作者[:：].*|"
    r"(?:Title|Author|Category|Language|Published|Updated|Packaged|Rating|Chapters|Words|Publisher|"
    r"Story URL|Author URL|Summary|Characters|Series|Date of first publication|Date first posted|"
    r"Date last updated|Place and edition.{0,40})\s*:.*|"
    r"(?:Fiction|Genre|Tags|Status|Synopsis|Followers|Favorites|Ratings|Total Views)\s*:.*|"
    # ficbook.net, samlib.ru
    r"(?:Авторы?|Соавторы?|Автор оригинала|Переводчики?|Бет[аы]|Гамм[аы]|Ф[эа]ндом|"
    r"П[эе]йринг(?: и персонажи|/Персонажи)?|Персонажи|Рейтинг|Жанры?|Размер|"
    r"Кол-во (?:частей|страниц)|"
    r"Метки|Другие метки|Предупреждения|Направленность|Статус|События|Описание|Аннотация|"
    r"Посвящение|"
    r"Примечани[ея](?: автора| переводчика)?|Публикация на других (?:ресурсах|сайтах)|Название|"
    r"Оригинальный текст|Ссылка на (?:оригинал|работу)|Размещен|Ваша оценка|"
    r"Иллюстрации/приложения)\s*:.*|"
    r"(?:Роман|Повесть|Рассказ|Глава|Сборник рассказов|Новелла|Поэма)\s*:\s*[А-ЯЁ].{0,60}|"
    r"©\s?Copyright .*|\[?Оставить комментарий\]?|Скачать FB2|Самиздат:\s*\[.*|"
    # Fan translations in Vietnamese
    rf"(?:Tác giả|Tên (?:truyện|gốc|khác)|Thể loại|{_TRANSLATED}|Tình trạng|Trạng thái|"
    r"Số chương|Độ dài|Văn án|Giới thiệu|Nhân vật(?: chính| phụ)?|Raw|Poster|Bìa)\s*:.*"
)
# Such translations name them under each chapter's title too.
_OF_A_CHAPTER = re.compile(rf"(?:{_TRANSLATED})\s*:.*")
# Labels with a blurb under them, which may go on for several paragraphs.
_OF_BLURB = re.compile(
    r"(?:文案|内容简介|作品简介|简介|Summary|Synopsis|Описание|Аннотация|Посвящение|Примечани[ея].{0,12}|"
    r"Văn án|Giới thiệu)\s*[:：]"
)
_SPEECH = re.compile(r"^\s*[“「『\"«—–-]|[道说說][：，]?[“「]|[”\"»] ?(?:said|he|she|сказал)")
_STOLEN = (
    re.compile(
        r"\b(?:stor(?:y|ies)|tale|narrative|novels?|book|content|text|author|copy'?s?)\b", re.I
    ),
    re.compile(
        r"\bAmazon\b|\bRoyal ?Road\b|\boriginal|genuine version|"
        r"official (?:site|source|release|version)|pirated copy|"
        r"elsewhere|another site|different site|preferred platform|this site|without (?:the "
        r"author'?s )?(?:consent|permission|authorization)",
        re.I,
    ),
    # `original` and `elsewhere` say little without one of these.
    re.compile(
        r"\b(?:author|creator|writer)s?\b|\bAmazon\b|\bRoyal ?Road\b|genuine|official|pirated|"
        r"\b(?:web)?sites?\b|platform|consent|permission|authorization",
        re.I,
    ),
    re.compile(
        r"(?:^|[.;:!?,] ?|\band )(?:please )?(?:report|read (?:it|this|the)|find|"
        r"seek out|look for|check it|"
        r"support|ensure|help|if you|should you|enjoying|love this|reading on|did you know|"
        r"unauthorized|stolen|this (?:story|tale|book|novel|text|content|narrative) "
        r"(?:has been|is|was|originates))",
        re.I,
    ),
)
_TOLD = re.compile(r"\b(?:he|she|his|her|him|said|I|my|me)\b|[“”\"]")


def site_header(sample: Sequence[Line], is_title: Callable[[str], bool]) -> int:
    """How many lines a site's header of labels has: up to the first title, or to the end of its
    block where none of a known form follows soon; 0 where it has none."""
    rows = [line.text.strip() for line in sample[:_HEADER]]
    title = next((at for at, row in enumerate(rows) if row and _opens(rows, at, is_title)), None)
    rows = rows[:title]
    labels = _together(rows, [place for place, row in enumerate(rows) if _LABEL.fullmatch(row)])
    if len(labels) < (_MANY if title is None else _FEW):
        return 0
    others = sum(map(len, rows)) - sum(len(rows[place]) for place in labels)
    if title is not None and others <= _LONGEST:
        return _end_below(rows, labels[-1])
    close = all(b - a <= _BETWEEN for a, b in itertools.pairwise(labels))
    return _end_of_block(rows, labels[-1] + 1) if close and labels[0] <= _BETWEEN else 0


def _opens(rows: Sequence[str], place: int, is_title: Callable[[str], bool]) -> bool:
    """Whether a line is the title of what follows, and no volume's name above the labels."""
    if not is_title(rows[place]):
        return False
    below = next((row for row in rows[place + 1 : place + 1 + _BETWEEN] if row), "")
    return not _LABEL.fullmatch(below) or _OF_A_CHAPTER.fullmatch(below) is not None


def _count_sentences(rows: Iterable[str]) -> int:
    return sum(SENTENCE.search(row) is not None for row in rows)


def _together(rows: Sequence[str], labels: list[int]) -> list[int]:
    """The labels above which no prose stands: others are of a page in a story, or of a chapter.
    Between a blurb's label and the next one is the blurb."""
    found: list[int] = []
    for place in labels:
        between = rows[found[-1] + 1 if found else 0 : place]
        blurb = bool(found) and _OF_BLURB.match(rows[found[-1]]) is not None
        if not blurb and _count_sentences(between) >= _PROLOGUE:
            break
        found.append(place)
    return found


def _end_below(rows: Sequence[str], last: int) -> int:
    """Where the header ends whose last label is at `last`: at the title behind `rows`, or where a
    prologue begins before it. Below a label of a blurb it is known by its length or its speech."""
    rest = rows[last + 1 :]
    blurb = _OF_BLURB.match(rows[last]) is not None
    if blurb and sum(map(len, rest)) <= _LONGEST_END and not any(map(_SPEECH.search, rest)):
        return len(rows)
    if _count_sentences(rest) < _PROLOGUE:
        return len(rows)
    below = _OF_BLURB.fullmatch(rows[last]) is not None  # its text, behind a blank line or not
    return _end_of_block(rows, last + 1 + below)


def _end_of_block(rows: Sequence[str], begin: int) -> int:
    """The place of the blank line behind `begin`; `begin` where prose stands before it."""
    end = next((place for place in range(begin, len(rows)) if not rows[place]), len(rows))
    return end if sum(map(len, rows[begin:end])) <= _LONGEST_END else begin


def without_header(lines: Iterable[Line], length: int, ledger: Ledger) -> Iterator[Line]:
    """The lines after the header."""
    for place, line in enumerate(lines):
        if place >= length:
            yield line
        elif line.text.strip():
            ledger.drop(line, "header")


def is_theft_notice(text: str) -> bool:
    """A sentence that Royal Road hides in a chapter against copies of it."""
    if len(text) > 200 or _TOLD.search(text):
        return False
    return all(words.search(text) for words in _STOLEN)
