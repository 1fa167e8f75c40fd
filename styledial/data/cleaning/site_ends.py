"""What sites print before and after a chapter, in languages other than Chinese.

Such lines go only where they stand at the very head or tail of a chapter: in its middle each
of them may be prose, and `FIN` a character in a play. Each pattern is a closed list of words and
accounts for the whole line, and each repeat in it is bounded.
"""

from __future__ import annotations

import re

from styledial.data.cleaning.world_ends import CREDITS_IN, LAST, LAST_IN, LINES, MAY_BEGIN, MAY_HOLD

_LONGEST = 160  # characters, but for one
_LONG = "Безопасно оплатить книгу можно"  # begins three hundred characters of ЛитРес

_LINK = r"(?:(?:previous|prev|next)(?: (?:chapter|part|page))?|table of contents|index|home)"
_BETWEEN = r"[\s|»›>→<«‹←/·\[\]-]"
_COUNTED = (
    r"(?:reads?|views?|votes?|comments?|kudos|likes?|bookmarks?|hits|favou?rites?|followers?)"
)
_ADDRESS = r"(?:https?://|www\.)?[\w-]{1,40}(?:\.[\w-]{1,20}){0,3}\.(?:com|net|org|info|ru|su|vn)\b\S{0,80}"
_DONE = r"(?:scann|proof|proofread|convert|generat|upload|download|ripp|formatt|digiti[sz])ed"
# What is asked of readers: two of these at least, one of them a site's.
_GIVE = r"(?:vote|comment|rate|review|follow|like|share|subscribe|favou?rite|rating)s?"
_AND = r"(?:,? (?:and|or|&) |, )(?:please )?(?:leave )?(?:an? |your )?"
_LINES = {
    "notice": (
        r"(?:copyright )?(?:©|\(c\))\s?\d{4}(?: by)?(?-i:(?: [A-Z][\w.'’-]{0,20}){1,5})\.? "
        r"all rights reserved\.?",
        r"©?\s?all rights reserved\.?|\[(?:the )?end of .{1,60},? by .{1,40}\]|"
        r"page \d{1,4} of \d{1,4}",
        r"disclaimers?\s?[:–—-].{0,60}\b(?:own|owned|belongs?|property|rights)\b.{0,100}",
        r"конец ознакомительного фрагмента\.?",
        r"текст предоставлен (?:правообладателем|ооо [«\"]литрес[»\"])\.?",
        r"прочитайте эту книгу целиком, купив полную легальную версию.{0,40}",
        r"다음(?: ?[화편회])?에서? ?계속(?:됩니다)?[.…\s]{0,6}",
        *LINES["notice"],
    ),
    "credits": (
        rf"{_DONE} (?:by|from|with|at) .{{0,40}}{_ADDRESS}",
        rf"{_DONE} (?:by|with) (?:calibre|abc amber \w{{1,10}} converter)[,. ]{{0,2}}",
        r"(?:书籍|小说)名称\s?[:：]\s?[^，。？！]{1,20}",
        rf"{_DONE} (?:and|&) {_DONE} by (?-i:[A-Z])[^\s,.;!?]{{1,30}}",
        r"translators?\s?[:：]\s?\S.{0,30}\seditors?\s?[:：]\s?\S.{0,30}",
        rf"(?:nguồn\s?[:：]|скачано с(?: сайта)?) ?{_ADDRESS}",
        r"(?:edited|proof-?read|translated|beta-?(?:read|ed)) by ?:? "
        r"(?-i:[A-Z])[^\s,.;!?]{1,30}(?: (?-i:[A-Z])\S{0,20}){0,2}",
        *LINES["credits"],
    ),
    "navigation": (
        rf"(?=.*(?:prev|next))(?=.*[|»›>→<«‹←])[«‹<←|\s\[]{{0,6}}{_LINK}"
        rf"(?:{_BETWEEN}{{1,8}}{_LINK}){{1,4}}[\s|»›>→\]]{{0,6}}",
        r"[«‹<←]{1,3}\s?(?:previous|prev)(?: (?:chapter|part|page))?",
        r"next(?: (?:chapter|part|page))?\s?[»›>→]{1,3}|(?:previous|next) chapter",
        r"(?:前の話|次の話)へ(?:[\s|｜　]{1,4}(?:前の話|次の話|目次)へ?){0,3}",
        rf"(?=.*(?:reads?|views?|kudos|hits|bookmarks?)\b)"
        rf"(?:\d[\d.,]{{0,9}}\s?[km]? {{0,3}}{_COUNTED}[^\w]{{0,6}}){{2,8}}",
        rf"(?=.*(?:reads?|views?|kudos|hits|bookmarks?)\b)"
        rf"(?:{_COUNTED}\s?[:：]\s?\d[\d.,]{{0,9}}\s?[km]?\b\W{{0,6}}){{2,8}}",
        r"word count\s?[:：]\s?\d[\d.,]{0,9}",
        r"(?:leave a (?:comment|review)|kudos\s?[♥❤]|comments? \(\d{1,6}\)|show more comments|"
        r"continue reading next (?:part|chapter|page)|you(?:'|’)ll also like|back to top|"
        r"add to (?:library|reading list)|load more (?:comments|chapters)|"
        r"(?:sign|log) in to (?:read|continue reading)(?: (?:the|this))?(?: full)?"
        r"(?: (?:story|chapter|novel))?)",
        r"report (?:this )?(?:chapter|ad)|advertisements?|chapter (?:end )?notes:?|"
        r"sponsored by our patrons|"
        r"(?:see the end of the (?:chapter|work) for (?:more )?notes\.?)",
        *LINES["navigation"],
        r"(?:все книги (?:автора|серии)|эта же книга в других форматах|оставить отзыв о книге)"
        r"\s?[.:]?",
    ),
    "advertisement": (
        r"advertisement|sponsored content|remove ads(?: with premium)?\.?",
        r"find authorized novels in webnovel\b.{0,120}",
        r"if you find any errors ?\(.{0,100}let us know.{0,60}",
        r"спасибо, что скачали книгу в .{0,40}библиотеке.{0,30}|приятного чтения[!.]{0,3}",
        r"купить полную (?:легальную )?версию(?: книги)?(?: на литрес)?[.!]?",
        r"chúc (?:các )?bạn đọc truyện vui vẻ[.!]{0,3}",
        r"mời (?:các )?bạn đón đọc (?:chương|phần|tập) (?:tiếp theo|sau|mới)[.!]{0,3}",
        r"(?:click|tap) here to (?:read|download)(?: the| this)?(?: full| next)? "
        r"(?:story|chapter|book)[.!]?",
        rf"(?=.*\b(?:vot|comment|rat|review))(?:please|don(?:'|’)t forget to|remember to) "
        rf"(?:leave )?(?:an? |your )?{_GIVE}(?:{_AND}{_GIVE}){{1,4}}"
        r"(?:, my \w{2,12})?[.!]{0,3}",
        r"(?:reviews are (?:love|appreciated)|please review|(?:please )?r ?& ?r(?:,? please)?|"
        r"please read and review)[.!~♥❤]{0,4}",
        r"cross-?posted (?:on|to|from|at) (?:wattpad|ao3|ff\.?n(?:et)?|royal ?road|scribble ?hub|"
        r"webnovel|tumblr|archive of our own)\b.{0,60}",
        r"(?:(?:do you )?want to )?read (?:up to |at least )?\d{1,3}(?:\+| or more)? (?:more )?"
        r"chapters (?:ahead|in advance).{0,60}",
        r"(?=.*\bpower ?stones?\b)(?=.*\b(?:(?:bonus|extra|more) chapters?|vote with)\b).{0,100}",
        *LINES["advertisement"],
        rf"(?:please )?{_GIVE}(?:{_AND}{_GIVE}){{1,4}} if you (?:like|enjoy|love)d? .{{1,40}}",
        r"(?=.*\bkudos\b|.*\bif you (?:enjoy|like|love)d?\b)(?:please )?(?:leave|drop) (?:me )?"
        r"(?:a|some) (?:comments?|kudos|reviews?)\b.{0,110}",
        rf"if you (?:like|enjoy)(?:ed)? (?:this|my|the) (?:story|chapter|fic|novel), please "
        rf"(?:leave )?(?:an? |your )?{_GIVE}(?:{_AND}{_GIVE}){{0,4}}[.!]{{0,3}}",
        # The address is gone from most lines by now.
        rf"visit (?:us|our (?:site|website)) at\s{{0,2}}(?:{_ADDRESS}\s)?for more "
        r"(?:free )?(?:books|novels|stories)\.?",
    ),
    "author's note": LINES["author's note"],
}
_COUNT = (
    r"(?: (?:\d{1,4}|[ivxlc]{1,7}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|"
    r"\w{3,5}teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty(?:[- ]\w{3,5})?))?"
)
_RULED = r"[\s\-—–=~*_<>\[\](){}（）【】|#]{0,16}"
# Lines that go after the last words of a chapter, and not before its first.
_LAST = re.compile(
    rf"{_RULED}(?:to be continued|t\.?b\.?c\.?|the end|fin|end(?: file)?|"
    rf"конец(?: книги| первой части)?)[\s.!…]{{0,6}}{_RULED}|"
    r"全?剧终[。.…！!]{0,3}|"
    rf"[\W_]{{0,6}}end of (?:the )?(?:chapter|part|book|volume){_COUNT}[\W_]{{0,6}}|"
    + "|".join(LAST),
    re.I,
)
_RULES = [(why, re.compile("|".join(rows), re.I)) for why, rows in _LINES.items()]
# A plea for money or company, in a site's own name.
_PLEA = re.compile(
    r"(?:please )?(?:support|join|read ahead|check out|subscribe|follow)\b.{0,60}"
    r"\b(?:patreon|discord|ko-?fi|paypal)\b.{0,60}",
    re.I,
)
_TOLD = re.compile(r"\b(?:he|she|they|we|his|her|him|said|says|asked|was|were)\b|[“”\"]", re.I)
# Pleas in Korean and Japanese: two words of sites, a request at the end, and nobody told of.
_ASIAN_PLEAS = (
    (
        re.compile("추천|댓글|선작|좋아요|별점"),
        re.compile(r"[^“”\"'‘’.]{2,40}(?:부탁드립니다|부탁드려요|주세요)[!.~^\s]{0,4}"),
        re.compile(r"그는|그녀|나는|내가|[-–—]"),
    ),
    (
        re.compile("ブックマーク|ブクマ|評価|感想|レビュー"),
        re.compile(
            r"[^「」『』。]{2,40}(?:お願い(?:します|致します|いたします)|励みになります|嬉しいです)[。！!\s]{0,3}"
        ),
        re.compile("彼|先生|お客様|私"),
    ),
)
# How such lines begin: all that most paragraphs cost.
_MAY_BEGIN = re.compile(
    r"\W{0,8}(?:\d|add |adver|all r|back|book|click|check|comm|cont|conv|copy|chúc|digi|discl|down|"
    r"end|favo|fin|foll|form|gener|hits|home|if you|index|join|kudos|leave|like|load|log |mời|next|"
    r"nguồn|page|please|prev|proof|read|remo|reme|ripp|scan|share|show|sign|spons|sub|supp|table|"
    r"tap|t\.?b|the e|to be|trans|upl|view|visit|vote|word|you|don|все|кон|куп|ост|при|про|ска|"
    rf"спа|тек|эта|edit|want|report|see the|chapter|cross|review|r ?&|{MAY_BEGIN})",
    re.I,
)
_OTHER = re.compile(
    rf"추천|댓글|선작|좋아요|다음|の話へ|フィクション|ブクマ|ブックマーク|評価|感想|剧终|名称|"
    rf"ower ?stone|{MAY_HOLD}"
)


def line_at_end(text: str, at_head: bool = False, language: str = "") -> str:
    """Why a line at the head or tail of a chapter is a site's; nothing where it may be prose.

    `language`: the book's, as in ISO 639-1."""
    if len(text) > _LONGEST and not text.startswith(_LONG):
        return ""
    if not at_head and (_LAST.fullmatch(text) or _fits(LAST_IN, language, text)):
        return "notice"
    if _fits(CREDITS_IN, language, text):
        return "credits"
    if not (_MAY_BEGIN.match(text) or _OTHER.search(text)):
        return ""
    why = next((why for why, rule in _RULES if rule.fullmatch(text)), "")
    return why or ("advertisement" if _pleads(text) else "")


def _fits(rules: dict[str, str], language: str, text: str) -> bool:
    """Whether a line is of the kind that `rules` have for the language."""
    return language in rules and re.fullmatch(rules[language], text) is not None


def _pleads(text: str) -> bool:
    """Whether a line asks readers for votes, comments or money."""
    if _PLEA.fullmatch(text) and not _TOLD.search(text):
        return True
    return any(
        len(set(words.findall(text))) >= 2 and asks.fullmatch(text) and not told.search(text)
        for words, asks, told in _ASIAN_PLEAS
    )
