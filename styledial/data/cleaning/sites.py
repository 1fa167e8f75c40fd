"""What Chinese sites, apps and forums print between the lines of a text.

Two kinds of rule: whole lines that a page has (登陆后即可阅读全文), and lines that ask the reader
for something (请, 您) in the words of sites and tell no story. Each rule names all the words
that make a line a site's: 本书由先父整理 and 打开客户端，看见一行字 are prose. Lines in other
languages go at the ends of a chapter only: see site_ends.
"""

from __future__ import annotations

import re

_LONGEST = 160  # characters
_LONGEST_THANKS = 480

# What is addressed to readers, by how many words of sites it has, one of them a site's alone.
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
_A_SITES_ALONE = re.compile(
    "收藏本[页站]|回车键|免费电子书|小说网|文学网|中文网|公众号|QQ群|TXT|txt|VIP|正版|霸王票|营养液|推荐票|月票|"
    "阅读记录|(?:小说|起点|晋江|读书|免费)(?:APP|App|app)"
)
_TOLD = re.compile(r"[他她我们了着]|[道說说問问答][：，:,]?[“「]|^[“「『]")
_ENOUGH = 3  # words of sites

_HOUSE = "(?:小说网|书屋|书库|文学网|笔趣阁|中文网)"
_END = (
    r"[\s\-—=～~*【\[（(『「<《]{0,12}(?:本章完|本章终|全文完|全文终|全书完|全书终|本书完|本章结束|"
    r"全文结束|本书结束|待续|未完待续|(?<=[\-—=～~*【\[（(『「<《])(?:[完终]|全?剧终))"
    r"[。.…！!\s\-—=～~*】\]）)』」>》]{0,12}"
)
_LINES = {
    "notice": (
        _END,
        r"(?:[此本][章文]?[为是]|[此本]章)?防盗章节?(?:[，,]请.{0,30})?[。！!]?|[此本]章?[为是]防盗内容[。！!]?",
        rf"[“「『]?[^，。“”]{{0,12}}{_HOUSE}[”」』]?(?:手机版)?(?:(?:最新章节|最新|更新最快)"
        r"(?:网址|地址|域名)|网址|域名)[:：][\sa-zA-Z0-9./:_-]{0,60}",
        r"(?:热门|相关)小说(?:推荐)?\s?[:：]\s?(?:《[^《》]{1,20}》[\s、，,]?){2,12}",
        r"(?:扫码|点击)下载.{0,8}App[，,](?:免费|海量).{2,14}",
        r"下载客户端[，,]查看更多.{2,30}",
        rf"《[^《》]{{1,20}}》最新章节(?:由|在|尽在)[^，。“”]{{0,16}}{_HOUSE}.{{0,24}}",
        r"本章节?有错误[，,]我?要?(?:提交|举报|报错)[。！!]?",
        r"为了?方便您下次阅读[，,].{0,12}点击.{0,40}",
        r"作者[:：].{1,20}更新(?:时间|于)[:：]?\s?\d.{4,40}",
        r"(?:[您你]的?)?订阅(?:比例|率)不足\s?\d{1,3}\s?[%％].{0,30}(?:小时|补足|防盗).{0,12}",
        r"VIP章节[，,]需要?(?:订阅|购买)后?.{0,12}",
        r"(?:本[文书]|本?作品)?[，,]?(?:未经(?:许可|授权|(?:作者)?同意|允许)[，,]?)?"
        r"(?:谢绝|[禁严]止|严禁|请勿|不得)(?:一切|任何)?(?:形式的?)?转载[。！!]{0,3}",
        r"(?=.*(?:独家|首发))(?:本[文书])?(?:独家|首发|发表|连载|[由于在]){0,4}(?:晋江|起点|[^，。“”]{0,8}"
        r"(?:文学城|中文网|小说网))(?:文学城|中文网|读书)?(?:独家|首发|发表|连载){1,3}"
        r"(?:[，,](?:谢绝|禁止|请勿|不得)转载)?[。！!]{0,3}",
        r"本[文书](?:独家)?(?:首发|发表|连载)[于在]?(?:晋江文学城|起点中文网|起点读书)"
        r"(?:[，,]第一时间看正版内容)?[。！!]?",
        r"(?:抱歉[，,])?(?:章节)?内容加载失败[！!，,。]?\s?请.{0,4}(?:刷新|重试|更换).{0,16}",
        r"(?:抱歉[，,])?本?章节?(?:内容)?正在审核中?[。！!]?",
        r"(?:本站)?已?启用缓存技术[，,]最新章节.{0,60}",
        r"(?=.*[请可])(?=.*(?:加载|完整|广告|最新|继续|新章节))[【（(]?[^“”。]{0,40}退出(?:畅读|阅读模式|转\s?/?\s?码(?:页面)?)[^“”。]{0,40}[。！!]?[】）)]?[。！!]?",
        r"[【（(](?=.*(?:追书|听书|看书|朗读))(?=.*(?:真的?好用|请?安装|可下载)).{0,40}(?:app|APP|App)[^“”了]{2,60}"
        r"[】）)]",
        rf"[^，。“”]{{0,12}}{_HOUSE}首发(?:更新)?[:：][^，。“”]{{1,30}}",
        r"登[录陆]后即可(?:继续)?阅读(?:全文|全本|本章)[。！!]?|登[录陆]书架即可(?:实时)?查看[。！!]?",
    ),
    "credits": (
        r"[☆★【\s]{1,6}本[书文]由.{1,24}(?:整理|制作|提供|上传|分享|校对)(?:制作|发布)?[☆★】\s]{1,6}",
    ),
    "navigation": (r"\[?\s?本帖最后由.{1,30}于\s?\d{4}-\d.{4,18}编辑\s?\]?",),
    "author's note": (
        r"感谢在\d{4}-\d{1,2}-\d{1,2}[^“”]{2,400}(?:霸王票|营养液)[^“”]{0,60}",
        r"感谢(?:灌溉|投出)[^“”，。]{0,6}(?:霸王票|营养液|地雷|手榴弹|火箭炮)的?[^“”]{2,400}",
    ),
}
_RULES = [(why, re.compile("|".join(rows), re.I)) for why, rows in _LINES.items()]
# The head and foot of a forum's post, a word at a time; a number alone may be prose.
_OF_A_POST = re.compile(
    r"楼主|只看(?:该作者|楼主)|发表于|使用道具|举报|回复|倒序浏览|\d{1,6}#|"
    r"\d{2,4}-\d{1,2}-\d{1,2}|\d{1,2}:\d\d(?::\d\d)?"
)
_A_POSTS_ALONE = {"只看该作者", "只看楼主", "发表于", "使用道具", "倒序浏览"}


def site_line(text: str) -> str:
    """Why a line is of a Chinese site or app, wherever it stands; nothing where it may be prose."""
    if len(text) > _LONGEST_THANKS:
        return ""
    short = len(text) <= _LONGEST
    for why, rule in _RULES:
        if (short or why == "author's note") and rule.fullmatch(text):
            return why
    if not short:
        return ""
    if _heads_a_post(text):
        return "navigation"
    asks = _ASKS.search(text) and _A_SITES_ALONE.search(text) and not _TOLD.search(text)
    return "advertisement" if asks and len(set(_OF_SITES.findall(text))) >= _ENOUGH else ""


def _heads_a_post(text: str) -> bool:
    """发表于 2012-5-6 12:34 | 只看该作者: nothing but such words, two or more."""
    words = re.split(r"[|｜\s]+", text.strip("|｜ \u3000\t"))
    known = len(words) >= 2 and all(_OF_A_POST.fullmatch(word) for word in words)
    return known and not _A_POSTS_ALONE.isdisjoint(words)
