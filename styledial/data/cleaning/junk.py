"""What sites put into novels: banners, addresses, advertisements, stamps.

A rule is judged by what it takes from clean books, so each needs a mark that prose doesn't
have (an address, a stamp's form, a site's whole formula). Words such as 整理, 略, 本章, 收藏
or 更新 alone are prose: 整理衣衿, 欧阳修的本章.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from styledial.data.cleaning.ledger import Ledger, Line
from styledial.data.cleaning.script import simplified
from styledial.data.cleaning.serials import is_theft_notice
from styledial.data.cleaning.sites import site_line
from styledial.data.cleaning.web_novels import web_line

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
# An address with its dots spelt out or its letters spaced, which no rule for addresses finds.
_SPELT = re.compile(
    r"www(?:[.．。·点][a-z0-9-]{1,20}){1,4}|"
    r"w w w(?: ?[.．。·点](?: ?[a-z0-9](?![a-z0-9])){1,20}){1,4}",
    re.I,
)
# Whoever opens or names an address in a story; a site speaks of itself.
_OPENED = re.compile(
    r"(?:打开|登[录陆]|点开|输入|进入|(?<![请迎])访问|网址[是叫为]|域名[是叫为]|浏览|注册|搜到)[了过一下\s]{0,3}$"
)
_OWN_PRAISE = re.compile("本[站书页]|最新|记住|请记|牢记|收藏|阅读|免费|下载|章节|小说")
# Nothing below applies to a line without one of these; they cost one search. Plain words, as an
# alternation of those is searched for by first letters; the line is put into small letters.
_HINTS = (
    "www http 更新 字数 字數 正版 收藏 书签 書籤 章节 章節 未完 本章完 全文完 全书完 "
    "本书完 待续 完结 完本 手机 手機 下载 下載 月票 推荐票 一秒记住 记住 书库 書庫 小说网 "
    "小說網 txt gutenberg 电子书 电子版 扫校 扫描 ocr 校对 录入 版权 ---- ==== **** ~~~~ "
    "____ ———————— ……………… ※※※ ☆☆☆ ★★★ ◇◇◇ ◆◆◆ 上一章 上一页 "
    "下一章 下一页 返回目录 加入书 免费 浏览 域名 网址 群: 群： 群号 公众号 手打 举报 "
    "打赏 订阅 一更 二更 三更 四更 五更 两更 更到 求票 全订 首订 点com w&w&w 有话 感谢 "
    "ps: ps： p.s 请假 百度 本站 网友 大神 热门 推荐： 小提示 广大书友 每页 连载中 加更 本文来 "
    "amazon royal&road this&site preferred&platform genuine&version the&original elsewhere "
    "本书来 题外话 完） (完 —完 剧终 喜欢本书 (); adsby </ <! webnovel any&errors "
    "keyboard&keys latest&chapter pirated "
)
_HINT_WORDS = [word.replace("&", " ") for word in _HINTS.split()]
_SENTENCE = 5  # words beside an address, in a language with spaces
_ENDING = re.compile(rf"\.(?:{_ENDINGS})\b")
# In lines of Chinese only: English has `app` in every happy.
_HAN_HINTS = (
    "书籍名称 客户端 启用缓存 审核中 防盗 转载 表于 该作者 本帖 加载失败 登陆 登录 示： 点读书 "
    "点原创 点中文 晋江 整理制作 全文终 结束） 扫码 完】 完- 作话 霸王票 营养液 待续 阅读记录 "
    "要提交 提交日期 回复日期 发表日期 退出 存书签 信公号 目录+ app 好评呗 广告 手机站"
)
_HINT = re.compile(
    "|".join(map(re.escape, [*_HINT_WORDS, *_HAN_HINTS.split()])) + "|" + _ENDING.pattern
)
# English has the first letters of these everywhere: there, one look for each is far cheaper.
_ASCII_HINTS = [word for word in _HINT_WORDS if word.isascii()]
_MAY_HAVE_OTHERS = re.compile("[\u203b-\uffff]|—{8}|…{8}")
_DATE = r"\d{2,4}\s*[-/.年]\s*\d{1,2}\s*[-/.月]\s*\d{1,2}\s*日?"
_WHEN = rf"{_DATE}(?:\s*\d{{1,2}}[:：]\d{{2}}(?:[:：]\d{{2}})?)?"
_RULE = r"[-=*~_—…※☆★◇◆○●#＊\s]"
# A site's formula: one is enough.
_FORMULA = (
    "一秒记住|请记住本|记住本站|记住网址|记住本书|收藏本站|无弹窗|最新最快|更新速度|"
    "最快更新|txt(?:全集|下载|电子书)|"
    "电子书下载|手机用户请(?!按|拨|注意)|正在手打|下一页继续阅读|请点击下一页|点此举报|"
    "[微威薇]信公众?号[:：]|公众号.{0,16}(?:免费|看书|书屋|文学|小说)|首发域名|"
    "更多.{0,6}[书说].{0,6}(?:关注|搜索|添加).{0,6}公众号|"
    "百度(?:搜索|一下).{0,24}(?:最新章节|免费|小说网|书)|本站所有(?:小说|作品|章节|内容)|网友上传|"
    "大神.{0,8}新书|按.{0,12}键(?:返回|进入)|喜欢本书.{0,4}请分享|广大书友|每页显示\\d+行|"
    "手机版阅读|最新网址|(?:QQ|书友|读者|企鹅)群[号:：]{1,2}\\s*\\d{5,}|请大家收藏(?![好起这那自])|"
    "章节(?:错误|报错)|请重新刷新|给个好评呗|手机站全新|与电脑站同步|在百度里搜索|"
    "快捷键\\s?(?:[←→]|Enter)|请稍后刷新访问|"
    "求(?:全订|首订|订阅|打赏|月票|推荐票)[！!，,、]"
)
_ASKS = (
    "月票|推荐票|收藏|订阅|打赏|加入书[签架]|最新章节|最新章節|免费阅读|手机(?:用户|阅读|"
    "版)|更新|书友|读者|读者大大|"
    "新书|上架|本站|加更|[一二三四五两1-9]更|首订|盟主|请假|断更|存稿|完本|感言|本书|首发|各位|大家"
)
# What a sentence of a novel has and a site's line hasn't.
_NARRATED = re.compile(
    "[他她]|[写印刻贴念]着|[道说說问問答][：，:,]?[“「]|^[\\s\u3000]*[“「『]|[”」](?=[^，。]{1,6}[道说說])"
)
_RIGHTS = (
    "请?(?:购买|支持|订阅)正版(?!的)|下载后?.{0,4}24小时|24小时.{0,6}下载|商业用途|商業用途|"
    "版权归.{0,2}(?:原?作者|原著|.{0,4}(?:网|社))|"
    "版權歸.{0,2}(?:原?作者|原著)|仅供(?:读者|试读|参考|学习)"
)
_WISH = "下载|下載|购买|預覽|预览|删除|刪除|作者所有|支持|转载|轉載|仅供"
_WORK = "扫描|扫校|校对|录入|OCR|排版|制作|整理|上传|责任编辑|文字整理"

_SURE = {"stamp", "separator", "navigation"}  # reasons that no sentence gives by chance
# Each pattern has to account for the whole line; what follows it has to be in the line too.
_PATTERNS = (
    ("stamp", rf"[（(\[【]?(?:更新|发布|發布)(?:时间|時間|日期)?[:：]?\s*{_WHEN}.{{0,60}}"),
    (
        "stamp",
        rf"(?:作者|楼主)[:：]\s?\S{{1,24}}\s+(?:提交|回复|发表|发布|回帖)(?:日期|时间)[:：]\s*{_WHEN}.{{0,40}}",
    ),
    ("stamp", r"(?:本章)?(?:字数|字數)[:：]\s*\d+.{0,30}"),
    ("stamp", r"[（(]?本章(?:共|字数|字數)[:：]?\s*\d+\s*字?[）)]?"),
    ("separator", rf"{_RULE}{{4,}}"),
    (
        "separator",
        rf"{_RULE}{{2,}}(?!{_RULE})[^。，！？“”](?:[^。，！？“”]{{0,14}}(?!{_RULE})[^。，！？“”])?"
        rf"{_RULE}{{2,}}",
    ),
    (
        "navigation",
        r"[\s|｜<>《》【】『‘\[\]]*(?:(?:上一[章页]|下一[章页]|返回(?:目录|书[页目]|首页)|"
        r"[上下][章页](?=[\s|｜+])|(?:章节)?目录|章节列表|存?书签|翻页|加入书[签架](?:[，,]方便(?:下次)?阅读)?|热门推荐[:：]?|"
        r"(?:相关|新书|精彩)推荐[:：]|投推荐票|章节报错|点此报错|分享给好友|(?:关闭|去除|跳过)广告)"
        r"[\s|｜<>←→()（）【】『』‘’\[\]+]*)+",
    ),
    (
        "notice",
        r"[（(【\[]?(?:本章完|本章未完[^。]{0,16}|未完待续|待续|全文完|全书完|本书完|完结|完本)"
        r"(?:[\s!！~～…（(、][^。！？，]{0,10})?[)）】\]]?[。.]?",
    ),
    # Scripts and tags that a copy of a page left: nothing else on the line.
    (
        "markup",
        r"(?:readx|chaptererror|show_?\w{1,20}|read\d|txt(?:top|bottom)\d?|bookset)\(.{0,40}\);?",
    ),
    ("markup", r"\(adsbygoogle.{0,100}|<!(?:--|—).{0,60}(?:--|—)>"),
    ("markup", r"(?:</?(?:div|p|br|span|script|ul|li|a)\b[^<>]{0,80}>\s*)+"),
    ("notice", ".{6,200}", _RIGHTS, _WISH),
    ("advertisement", ".{4,160}", _FORMULA),
    (
        "advertisement",
        # Read in one way only: 求 and what parts the pleas stand in no plea.
        r"[\s（(【]*(?:(?:跪|继续|顺便)?求{1,4}\s?(?:(?!跪|继续|顺便)[^，。！!、～~\s求]){1,6}"
        r"[。，！!、～~\s]*)+[）)】]*(?<=[票藏阅订赏花论荐）)！!])",
    ),
    (
        "author's note",
        rf"[（(【]?(?:p\.?s\.?[\d、]*\s*[:：]|p\.s\.\s|题外话)(?=.*(?:{_ASKS}|"
        rf"推荐|票|谢)).{{2,300}}",
    ),
    (
        "author's note",
        r"[（(【]?感谢(?=.*(?:打赏|\d赏|[月荐]票|订阅|书友)).{2,300}",
    ),
    (
        "author's note",
        # The third watch of a night is a 第三更 too.
        r"第[一二三四五两\d]更(?=[到来送奉求完]|[！!，,。~～\s]{1,3}求)[^“”]{0,30}(?:票|收藏|订阅)[^“”]{0,20}",
    ),
    ("author's note", r"[（(]?为.{1,20}加更.{0,12}"),
    ("notice", r"[-=\s（(]*(?:未完待续|本章未完)(?!的)[^“”]{0,30}"),
    ("notice", r"[（(【\[『「—\-\s]+(?:完|剧终|全剧终|还?在?连载中)[.。…]*[）)】\]』」—\-\s]+"),
    ("notice", r"本[书文](?:来自|来源|首发|转载自|下载自)于?[:：\s][^。，“”]{2,24}"),
    (
        "notice",
        r"请?(?:大家)?支持正版(?:阅读|订阅|图书|小说)?(?:[，,！!。]\s?[^“”，。]{0,10}|从我做起)?[。！!]?",
    ),
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
    ("notice", ".*", r"Project Gutenberg(?:-tm|™|'s)? (?:eBook|License|Literary)"),
)
_RULES = tuple(
    (reason, [re.compile(pattern, re.I) for pattern in (whole, *parts)])
    for reason, whole, *parts in _PATTERNS
)


def drop_junk(
    lines: Iterable[Line],
    ledger: Ledger,
    is_title: Callable[[str], bool] = lambda text: False,
    old: bool = False,
) -> Iterator[Line]:
    """Lines without those that a site added; an address inside prose goes alone, a title stays.

    `old`: the book is in traditional characters."""
    for line in lines:
        text = simplified(line.text) if old else line.text
        if not _is_hinted(text.lower()):
            yield line
            continue
        text = text.strip(" \u3000")
        text = text if old else simplified(text)
        if text.startswith("作者有话"):  # heads a note, which goes with it (authors.py)
            yield line
            continue
        if is_theft_notice(text):
            ledger.drop(line, "notice")
            continue
        reason = next((why for why, rule in _RULES if _fits(text, rule)), None)
        reason = reason or site_line(text) or web_line(text)
        if reason and reason not in _SURE and _NARRATED.search(text):
            reason = None
        if reason and is_title(line.text):
            reason = None
        if reason:
            ledger.drop(line, reason)
            continue
        yield from _without_address(line, ledger)


def _fits(text: str, rule: list[re.Pattern[str]]) -> bool:
    return bool(rule[0].fullmatch(text)) and all(part.search(text) for part in rule[1:])


def _is_hinted(text: str) -> bool:
    """Whether the line, in small letters, has anything that a rule looks for."""
    if _MAY_HAVE_OTHERS.search(text):
        return _HINT.search(text) is not None
    return any(map(text.__contains__, _ASCII_HINTS)) or _ENDING.search(text) is not None


def _without_address(line: Line, ledger: Ledger) -> Iterator[Line]:
    if (spelt := _SPELT.search(line.text)) and _is_banner(line.text.replace(spelt[0], "")):
        ledger.drop(line, "banner")
        return
    if not _ADDRESS.search(line.text) or re.search(rf"[“「][^”」]*{_HOST}", line.text, re.I):
        yield line
        return
    if _is_in_sentence(line.text):
        yield line
        return
    rest = _BANNER.sub("", line.text)
    # A short remainder without a sentence was the banner's own words.
    if _is_banner(_ADDRESS.sub("", rest)):
        ledger.drop(line, "banner")
        return
    for found in _BANNER.finditer(line.text):
        ledger.drop(line, "banner", found[0])
    yield Line(line.number, rest.rstrip())


def _is_in_sentence(text: str) -> bool:
    """Whether a story tells of the address: He typed www.ferry.com into the browser."""
    found = _ADDRESS.search(text)
    if found is None or text.rstrip()[-1] not in ".!?…。！？”’\"')）":
        return False
    if max(text) < "\u2e80":  # no Chinese: a site's name is pasted between Chinese words
        return len(re.findall(r"\b[^\W\d_]+\b", _ADDRESS.sub("", text))) >= _SENTENCE
    return bool(_OPENED.search(text[: found.start()])) and not _OWN_PRAISE.search(text)


def _is_banner(rest: str) -> bool:
    """Whether a line without its address was only the words before it."""
    left = rest.strip(" \u3000《》【】[]()（）")
    return len(left) <= 16 and not re.search("[，。！？”」]", left)
