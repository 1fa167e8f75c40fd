"""What a site or an author puts round a title: stars, rules, （求月票）, 更新时间：…."""

from __future__ import annotations

import re

BLANK = " \t\u00a0\u3000"

_STARS = re.compile(r"^[☆★◇◆●○■□※*=＝~►▶❀✿♥\s\u3000]+[、．.]?|[☆★◇◆●○■□※*=＝~❀✿♥\s\u3000]+$")
_STAR = re.compile(r"[☆★◇◆●○■□※*=＝~►▶❀✿♥\s\u3000]")
_RULED = re.compile(r"[-–—]{1,3}\s*(?P<inner>[^-–—\s].{0,40}?)\s*[-–—]{1,3}")
_MARKDOWN = re.compile(r"#{1,4}\s+(\S.*?)\s*#{0,4}")
_STAMP_WORDS = (
    "更新时间|更新時間|更新日期|更新于|发布时间|發布時間|本章字数|本章字數|字数[:：]|字數[:：]"
)
_ASKS = (
    "求|票|收藏|订阅|訂閱|打赏|打賞|更|页|頁|合一|大章|修|捉虫|盟主|推荐|推薦|上架|vip|字|"
    "免费|感谢|感謝|"
    "爆发|爆發|请假|加料|入V|红包"
)
_ADDED = re.compile(
    rf"\s*(?:[（(【\[](?=[^）)】\]]*(?:{_ASKS}))[^）)】\]]{{1,40}}[）)】\]]"
    rf"|[（(【\[]?(?:{_STAMP_WORDS}).{{0,80}})\s*$",
    re.I,
)


def without_addition(text: str) -> str:
    """A title without what a site or an author put behind it: （求月票）, 更新时间：…, (1/3页)."""
    if text[-1:] not in ")）】]0123456789字日秒分":
        return text
    while (found := _ADDED.search(text)) and found.start():
        text = text[: found.start()].rstrip(BLANK)
    return text


def undecorated(text: str) -> str:
    """`text` without stars and rules round it; a line of nothing else is left as it is."""
    if text[0] == "#" and (heading := _MARKDOWN.fullmatch(text)):
        text = heading[1]
    if text[0] in "-–—" and (ruled := _RULED.fullmatch(text)):
        return ruled["inner"]
    if not (_STAR.match(text) or _STAR.match(text[-1:])):
        return text
    return _STARS.sub("", text) or text
