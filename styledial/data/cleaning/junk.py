"""What sites put into novels: banners, addresses, advertisements, stamps.

A rule is judged by what it takes from clean books, so each needs a mark that prose doesn't
have (an address, a stamp's form, a site's whole formula). Words such as 整理, 略, 本章, 收藏
or 更新 alone are prose: 整理衣衿, 欧阳修的本章.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from styledial.data.cleaning.ledger import Ledger, Line

_ENDINGS = "com|net|org|cc|cn|info|tw|hk|xyz|vip|la|tv"
_STRONG = r"(?:https?://|www[.．。·])[^\s\u3000-\u303f\u3400-\u9fff，。；！？“”（）]+"
_WEAK = rf"\b[a-zA-Z0-9-]{{2,30}}\.(?:{_ENDINGS})(?:\.cn|\.tw)?\b(?:/[\w./?=&%-]*)?"
_HOST = f"(?:{_STRONG}|{_WEAK})"
_HOUSE = (
    "书库|書庫|书院|小说网|小說網|阅读网|文学网|文學網|书城|书屋|书吧|论坛|"
    "中文网|在线书|电子书|下载站"
)
_SITE = rf"[^\s，。；！？：“”「」]{{0,12}}(?:{_HOUSE})"
_LEAD = r"(?:更多|请访问|欢迎访问|请到|本书来自|本文来自|转载自|下载自|首发于?|手机阅读)"
_ADDRESS = re.compile(_HOST, re.I)
# The address with its brackets and the site's name before it. Inside prose a bare name such as
# now.com may be prose; with www, http or a site's formula before it, it isn't.
_BANNER = re.compile(
    rf"(?:(?:{_SITE}|{_LEAD}[^\s，。；！？：“”]{{0,12}})[\s:：]*[《【\[（(<〈「]?\s*{_HOST}"
    rf"|[《【\[（(<〈「]?\s*{_STRONG})\s*[》】\]）)>〉」]?",
    re.I,
)
# Nothing below applies to a line without one of these; they cost one search.
_HINT = re.compile(
    rf"www|http|\.(?:{_ENDINGS})\b|更新|字数|字數|正版|收藏|书签|書籤|章节|章節|未完|本章完|全文完|"
    r"全书完|待续|完结|完本|手机|手機|下载|下載|月票|推荐票|一秒记住|记住本站|书库|書庫|小说网|小說網|"
    r"免费阅读|TXT|txt|Gutenberg|电子书|电子版|扫校|扫描|OCR|校对|录入|版权|"
    r"[-=*~_]{4}|—{8}|…{8}|[※☆★◇◆]{3}|上一[章页]|下一[章页]|返回目录|加入书"
)
_DATE = r"\d{2,4}\s*[-/.年]\s*\d{1,2}\s*[-/.月]\s*\d{1,2}\s*日?"
_WHEN = rf"{_DATE}(?:\s*\d{{1,2}}[:：]\d{{2}}(?:[:：]\d{{2}})?)?"
_RULE = r"[-=*~_—…※☆★◇◆○●#＊\s]"
_OFFER = (
    "天才一秒记住|一秒记住|请记住本[书站]|记住本站|收藏本[站书页]|加入书[签架]|"
    "求(?:月票|推荐票|收藏|订阅|打赏)|最新最快|最新章节|最新章節|免费阅读|无弹窗|"
    "手机(?:用户|阅读|版)|txt(?:全集|下载|电子书)|电子书下载"
)
_RIGHTS = (
    "(?:购买|支持|订阅)正版|商业用途|商業用途|24小时内|版权归.{0,8}所有|版權歸.{0,8}所有|"
    "仅供(?:读者|试读|参考|学习)"
)
_WISH = "下载|下載|购买|預覽|预览|删除|刪除|作者所有|支持|转载|轉載|仅供"
_WORK = "扫描|扫校|校对|录入|OCR|排版|制作|整理|上传|责任编辑|文字整理"

# Each pattern has to account for the whole line.
_PATTERNS = (
    ("stamp", rf"[（(\[【]?(?:更新|发布|發布)(?:时间|時間|日期)?[:：]?\s*{_WHEN}.{{0,60}}"),
    ("stamp", r"(?:本章)?(?:字数|字數)[:：]\s*\d+.{0,30}"),
    ("stamp", r"[（(]?本章(?:共|字数|字數)[:：]?\s*\d+\s*字?[）)]?"),
    ("separator", rf"{_RULE}{{4,}}"),
    ("separator", rf"{_RULE}{{2,}}[^。，！？“”]{{0,16}}{_RULE}{{2,}}"),
    (
        "navigation",
        r"[\s|｜<>《》【】\[\]]*(?:(?:上一[章页]|下一[章页]|返回(?:目录|书页|首页)|目录|加入书[签架]|"
        r"投推荐票|章节报错)[\s|｜<>←→()（）【】\[\]]*)+",
    ),
    (
        "notice",
        r"[（(【\[]?(?:本章完|本章未完[^。]{0,16}|未完待续|待续|全文完|全书完|本书完|完结|完本)"
        r"[^。！？，]{0,10}[)）】\]]?[。.]?",
    ),
    ("notice", rf"(?=.*(?:{_RIGHTS}))(?=.*(?:{_WISH})).{{6,200}}"),
    ("advertisement", rf"(?=.*(?:{_OFFER})).{{4,120}}"),
    (
        "advertisement",
        rf"[\s《【\[（(]*{_SITE}[\s》】\]）)]*(?:整理|收集|制作|出品|首发|提供|欢迎.{{0,12}})"
        r"[\s》】\]）)]*",
    ),
    (
        "credits",
        rf"[（(【\[]?(?:{_WORK})(?:者[:：]?|人[:：]?|[:：]) ?[^。，！？“”]{{1,40}}[)）】\]]?",
    ),
    ("notice", r"\*{3}\s*(?:START|END) OF (?:THE|THIS) PROJECT GUTENBERG.*"),
    ("notice", r".*Project Gutenberg(?:-tm|™|'s)? (?:eBook|License|Literary).*"),
)
_RULES = tuple((reason, re.compile(pattern, re.I)) for reason, pattern in _PATTERNS)


def drop_junk(lines: Iterable[Line], ledger: Ledger) -> Iterator[Line]:
    """Lines without those that a site added; an address inside prose goes alone."""
    for line in lines:
        if not _HINT.search(line.text):
            yield line
            continue
        text = line.text.strip(" \u3000")
        reason = next((why for why, rule in _RULES if rule.fullmatch(text)), None)
        if reason:
            ledger.drop(line, reason)
            continue
        yield from _without_address(line, ledger)


def _without_address(line: Line, ledger: Ledger) -> Iterator[Line]:
    if not _ADDRESS.search(line.text):
        yield line
        return
    rest = _BANNER.sub("", line.text)
    # A short remainder without a sentence was the banner's own words.
    left = _ADDRESS.sub("", rest).strip(" \u3000《》【】[]()（）")
    if len(left) <= 16 and not re.search("[，。！？”」]", left):
        ledger.drop(line, "banner")
        return
    for found in _BANNER.finditer(line.text):
        ledger.drop(line, "banner", found[0])
    yield Line(line.number, rest.rstrip())
