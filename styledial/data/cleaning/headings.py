"""Headings under which an author speaks to readers, and not the story."""

from __future__ import annotations

import re

from styledial.data.cleaning.script import simplified

_HEADING = re.compile(
    "(?:上架|完本|完结|新书|年终|月末|月底|出版|获奖)?感言|请假(?:条|一天)?|单章|作者的话|作者有话要?说|"
    "作品相关(?:\\s.*)?|新书(?:预告|发布|通知|已发)[^，。！]{0,16}|(?:更新|停更|断更|上架|入V)(?:说明|通知|公告)|"
    "致(?:各位)?读者.{0,10}|关于(?:最近|近期|本书|明天|今天)?的?(?:更新|上架|入[Vv]|断更|停更|请假|加更|月票)"
    "[^，。！？“”]{0,8}|Author.?s Notes?:?"
)


def is_authors_heading(text: str) -> bool:
    """Whether a line heads what isn't of the story: 上架感言, 请假条, 完本感言."""
    return len(text) <= 30 and _HEADING.fullmatch(simplified(text)) is not None
