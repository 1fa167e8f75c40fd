"""Run by test_data_sites in a process of its own: long lines of each kind of token are cleaned.

A pattern that tries a repeat in several ways never ends here, so the caller sets the limit.
"""

from styledial.data.cleaning.junk import drop_junk
from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.cleaning.site_ends import line_at_end
from styledial.data.cleaning.sites import site_line
from styledial.data.reading.read import without_links

TOKENS = (
    "100:", "2003-5-", "5#", "12 ", "|", " ", "[", "![", "](", "[a](", "[a](b", "»", "-", "=x", "☆",
    "next ", "prev | ", "home|", "3 likes ", "likes: 3 ", "3.2K Reads ", "vote, ", "scanned and ",
    "a.", "www.", "求", "求票 ", "求票跪", "上一章 ", "加入书签，方便目录", "楼主 ", "发表于 ", "感谢",
    "转载", "独家首发", "《书》", "推荐", "추천 ", "다음 ", "評価", "の話へ", ". ", "“", "…",
)  # fmt: skip
for token in TOKENS:
    for before in ("", "推荐票"):
        for after in ("x", "](x"):
            for size in (100_000, 470, 150):
                line = (before + token * size)[:size] + after
                site_line(line)
                line_at_end(line)
                without_links(line)
                list(drop_junk([Line(1, line)], Ledger()))
