"""What sites, apps and forums print between the lines of a text, in several languages.

Two kinds of rule: whole lines that a page has (`Next Chapter >>`, 内容加载失败), and lines that
ask the reader for something (请, please) in the words of sites, and tell no story.
"""

from __future__ import annotations

import re

_LONGEST = 160  # characters

# Chinese: what is addressed to readers, by how many words of sites it has.
_ASKS = re.compile(
    "请|您|欢迎|敬请|记得|点击|扫码|扫一扫|勿|谢绝|禁止|不得|方便|即可|尽在|永久|牢记|关注|搜索|"
    "收藏本|提示[:：]"
)
_OF_SITES = re.compile(
    "本站|本书|本章|本文|本页|章节|小说网|文学网|网站|网址|APP|App|app|客户端|公众号|QQ群|微博|书友|"
    "读者|论坛|书屋|书库|书城|电子书|TXT|txt|VIP|全文|全本|正版|晋江|起点|笔趣阁|书架|书签|书页|霸王票|"
    "营养液|推荐票|月票|连载|小说|页面|作品|阅读记录|下载|免费|更新|首发|转载|订阅|登录|回车键|登陆|刷新|注册|翻页|"
    "返回|回车|收藏|举报|转发|阅读|推荐"
)
_PLACES = re.compile(
    "本站|本页|回车|返回列表|本书|本文|章节|小说网|文学网|网址|APP|App|app|客户端|公众号|QQ群|书友|书屋|书库|书城|TXT|txt|VIP|"
    "正版|晋江|起点|笔趣阁|书架|书签|霸王票|营养液|推荐票|月票|电子书"
)
_TOLD = re.compile(r"[他她我们了着]|[道说說问問答][：，:,]?[“「]|^[“「『]")
_ENOUGH = 3  # words of sites

_END = (
    r"[\s\-—=～~*【\[（(『「<《]*(?:本章完|本章终|全文完|全文终|全书完|全书终|本书完|全剧终|剧终|本章结束|"
    r"全文结束|本书结束|待续|未完待续|(?<=[\-—=～~*【\[（(『「<《])[完终])[。.…！!\s\-—=～~*】\]）)』」>》]*"
)
_LINK = r"(?:(?:previous|prev|next)(?: (?:chapter|part|page))?|table of contents|index|home)"
_LINES = {
    "notice": (
        _END,
        r"(?:此|本)?(?:章|文)?(?:为|是)?防盗(?:章节?|内容).{0,30}",
        r"[“「『]?[^，。“”]{0,12}(?:小说网|书屋|书库|文学网|笔趣阁)[”」』]?(?:手机版)?(?:最新(?:章节)?|更新最快)?"
        r"(?:网址|地址|域名)[，,:：]?.{0,30}",
        r"(?:热门|推荐|相关|好看的?)小说(?:推荐)?\s*[:：].{0,60}|(?:下载|打开)客户端[，,].{4,40}",
        r".{2,20}最新章节(?:由|在|尽在).{2,40}|本章(?:节)?有错误[，,].{2,16}",
        r"为了?方便(?:您)?下次阅读.{4,60}|作者[:：].{1,20}更新(?:时间|于)[:：]?.{4,40}",
        r".{0,12}订阅(?:比例|率)不足.{0,40}",
        r"VIP章节.{0,30}",
        r".{0,16}(?:未经(?:许可|授权|(?:作者)?同意|允许)|谢绝|禁止|请勿|不得)[，,]?.{0,12}转载.{0,16}",
        r"(?:本文|本书|晋江|起点).{0,12}(?:独家|首发).{0,24}",
        r".{0,10}(?:内容|章节|页面)加载失败.{0,30}|.{0,16}正在审核(?:中|，).{0,20}|.{0,8}启用缓存.{0,60}",
        r"登[录陆](?:后|书架)即可.{0,30}",
        r"(?:to be continued|t\.?b\.?c\.?|the end|fin|end)[\s.!…]*",
        r"(?:copyright\s+)?(?:©|\(c\))\s*\d{4}.{0,80}|copyright\s+(?:©|\(c\)).{0,80}",
        r"©?\s*all rights reserved\.?|\[end of .{1,80}\]",
        r"page \d{1,4} of \d{1,4}",
        r"конец ознакомительного фрагмента\.?|конец\s*(?:книги|первой части)?[.!]*",
        r"текст предоставлен .{3,60}|прочитайте эту книгу целиком.{0,90}",
        r"(?:다음|다음 ?화|다음 ?편)에(?:서)? ?계속.{0,6}",
        r"この(?:作品|物語|小説)はフィクション.{0,60}",
    ),
    "credits": (
        r"(?:书籍|小说|作品)名称\s*[:：].{1,40}",
        r"[☆★\s【]*本[书文]由.{1,24}(?:整理|制作|提供|上传|分享|校对).{0,16}",
        r"(?:(?:scann|proof|proofread|convert|generat|upload|download|ripp|formatt|digiti[sz])ed"
        r"(?:,? ?(?:and|&|/) ?)?)+ (?:by|from|with) (?!the |a |an |my |his |her )"
        r"\S[^,;!?]{1,70}(?:, https?://\S+)?",
        r"translators?\s*:\s*.{1,40}\s+editors?\s*:\s*.{1,40}|(?:translated|edited) by\s?:.{1,40}",
        r"(?:nguồn|convert(?:er)?|dịch giả|biên tập|editor|beta)\s*[:：]\s*.{2,50}",
        r"скачано с .{3,60}",
    ),
    "navigation": (
        rf"[«‹<←|\s\[]*{_LINK}(?:[\s|»›>→<«‹←/·\[\]-]+{_LINK})+[\s|»›>→\]]*",
        rf"[«‹<←]+\s*{_LINK}|{_LINK}\s*[»›>→]+|(?:previous|next) chapter",
        r"(?:前の話|次の話|目次)へ?(?:[\s|｜　]*(?:前の話|次の話|目次)へ?)*(?<=へ)",
        r"(?:楼主|只看(?:该作者|楼主)|发表于|使用道具|举报|回复|倒序浏览|\d+#|\d{2,4}-\d+-\d+|"
        r"\d+:\d+(?::\d+)?|[|｜\s])+"
        r"(?<![|｜\s])",
        r"\[?本帖最后由.{1,40}编辑\s*\]?",
        r"(?:[\d.,]+\s?[km]?\s+(?:reads?|views?|votes?|comments?|kudos|likes?|favou?rites?|"
        r"followers?)\W*)+",
        r"(?:(?:words?|word count|reads?|views?|votes?|comments?|kudos|bookmarks?|hits|likes?|"
        r"favou?rites?|followers?)\s*[:：]\s*[\d.,]+\s?[km]?\W*)+",
        r"(?:leave a (?:comment|review)|kudos\W*|comments? \(\d+\)|continue (?:reading|to) "
        r"(?:the )?next (?:part|chapter|page)|you(?:'|’)ll also like|report (?:this )?(?:chapter|"
        r"story|error)|add to (?:library|favou?rites|reading list)|show more comments|"
        r"load(?:ing)? more.{0,12}|share this.{0,20}|back to top|sign in to .{3,40}|log ?in to "
        r".{0,20}(?:read|continue|comment).{0,20})\.?",
        r"все книги (?:автора|серии).{0,30}|эта же книга в других форматах.?|оставить отзыв.{0,30}",
    ),
    "advertisement": (
        r"(?:advertisements?|sponsored(?: content)?|remove ads.{0,30})\.?",
        r"find authorized novels in webnovel.{0,120}",
        r"if you find any errors? ?\(.{0,140}",
        r"(?:спасибо, что скачали|купить полную).{0,90}|приятного чтения[!.\s]*",
        r".{0,20}(?:추천|댓글|선작).{0,16}(?:부탁|주세요).{0,12}",
        r".{0,20}(?:ブックマーク|評価|感想|ポイント).{0,24}(?:お願い|励みに|嬉しいです).{0,12}",
        r"(?:chúc|mời) (?:các )?bạn .{0,12}đọc .{0,30}",
        r"(?:click|tap) here to (?:read|subscribe|download|join|sign).{0,60}",
    ),
    "author's note": (
        r"[\[(*]*(?:a/n|author(?:'|’)?s?(?:'|’)? notes?)\s*[:：-].{2,400}",
        r"[\[(（]*感谢(?:在\d{4}|灌溉|投出).{2,400}",
    ),
}
_RULES = [(why, re.compile("|".join(rows), re.I)) for why, rows in _LINES.items()]
# English sites ask for support: two such words, and none of a story.
_ENGLISH_ASKS = re.compile(
    r"\b(?:please|don(?:'|’)t forget|remember to|support|join|read ahead|visit|check out|click|"
    r"subscribe|if you (?:like|enjoy|want)|consider|for more|follow)\b",
    re.I,
)
_ENGLISH_WORDS = re.compile(
    r"\b(?:patreon|discord|ko-?fi|paypal|vot(?:e|ing)|comments?|reviews?|ratings?|rate|follow|"
    r"favou?rites?|subscribe|advanced? chapters?|more chapters|this (?:story|fic)|our site|"
    r"free (?:books|novels|chapters)|website|newsletter)\b|https?://|www\.|\.(?:com|net|gg)\b",
    re.I,
)
_ENGLISH_TOLD = re.compile(r"\b(?:he|she|his|her|him|said|asked|was|were)\b|[“”\"]", re.I)
# How such lines begin, in small letters: most lines cost only a look at their first three.
_BEGINNINGS = (
    "to be cont", "tbc", "t.b.c", "the end", "fin", "end", "copyright", "all rights", "page ",
    "scanned", "proof", "converted", "generated by", "uploaded", "downloaded", "ripped",
    "formatted", "digiti", "translat", "edited by", "prev", "next", "table of con", "leave a",
    "kudos", "comments", "continue", "you'll", "you’ll", "report", "add to", "show more",
    "load", "share this", "back to", "sign in", "log in", "login", "advert", "sponsored",
    "remove ads", "find authorized", "if you", "click", "tap here", "a/n", "author", "word",
    "read", "view", "vote", "hits", "like", "favo", "follow", "bookmark", "please",
    "don't for", "don’t for", "remember", "support", "join", "visit", "check out", "subscribe",
    "consider", "for more", "конец", "текст пред", "прочит", "скачано", "спасибо", "все книги",
    "эта же", "оставить", "купить", "приятного", "nguồn", "convert", "dịch", "biên", "chúc",
    "mời", "beta",
)  # fmt: skip
_STARTS = frozenset(start[:3] for start in _BEGINNINGS)
_ASIAN = re.compile(
    "추천|댓글|선작|다음|次の話|前の話|目次|フィクション|ブックマーク|評価|感想|ポイント"
)
_MARKS = " \t\u3000[]()*©«»<>|←→‹›·/-☆★【】（）"


def site_line(text: str) -> str:
    """Why a line is of a site or an app; nothing where it may be prose."""
    if len(text) > _LONGEST * 3:
        return ""
    short = len(text) <= _LONGEST
    for why, rule in _RULES:
        if (short or why == "author's note") and rule.fullmatch(text):
            return why
    if not short:
        return ""
    if _ENGLISH_ASKS.search(text) and not _ENGLISH_TOLD.search(text):
        words = {word.lower() for word in _ENGLISH_WORDS.findall(text)}
        return "advertisement" if len(words) >= 2 or _is_a_link(text, words) else ""
    asks = _ASKS.search(text) and _PLACES.search(text) and not _TOLD.search(text)
    return "advertisement" if asks and len(set(_OF_SITES.findall(text))) >= _ENOUGH else ""


def _is_a_link(text: str, words: set[str]) -> bool:
    return (
        bool(words)
        and re.search(r"https?://|www\.|\bpatreon\b|\bdiscord\b", text, re.I) is not None
    )


def may_be_of_a_site(text: str) -> bool:
    """A cheap look at a line in small letters: how it begins, where it isn't Chinese."""
    first = text[2:3] if text[:1] == "\u3000" else text[:1]
    if "\u3400" <= first <= "\u9fff" and "の" not in text[:5]:  # most lines of Chinese
        return False
    if text[:1] in _MARKS:
        text = text.lstrip(_MARKS)
    if text[:3] in _STARTS:
        return text.startswith(_BEGINNINGS)
    first = text[:1]
    if first < "\u3040":
        return first.isdecimal() and len(text) <= _LONGEST
    return len(text) <= _LONGEST and _ASIAN.search(text) is not None
