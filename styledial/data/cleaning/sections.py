"""Titles that are a part's name instead of a number: prologue, interlude, epilogue, afterword, and
their names in other languages (楔子, 幕間, 에필로그)."""

from __future__ import annotations

import re

from styledial.data.cleaning.folding import any_of, fold
from styledial.data.cleaning.form import ANY_NUMBER
from styledial.data.cleaning.headings import is_authors_heading
from styledial.data.cleaning.words import BLANK

_NAME = r"(?:[\s\u3000:：·.．—-]+[^。，；！？“”「」]{1,40})?"
# What follows 番外 in a title and not in prose: 番外地人, 番外写完了.
_EXTRA = (
    rf"(?:篇|集|[（(]?{ANY_NUMBER}[）)]?[^。，；！？“”「」]{{0,8}}|之[^。，；！？“”「」]{{1,8}}|"
    r"(?![地国國人写寫是的])[^。，；！？“”「」了是都在过過着著]{0,8}|"
    r"[^。，；！？“”「」了是都过過着著]{0,4})?"
)
_HALF = r"(?:[（(【]?[上中下前后後终終一二三四五\d][）)】]?|之[^。，！？]{1,8})?"
_STRONG_NAMES = (
    "楔子 引子 引首 序章 序幕 序言 序 前言 尾声 尾聲 后记 後記 跋 终章 終章 内容简介 內容簡介 "
    "出版说明 最终章 最終章 大结局 大結局 幕间 幕間 后日谈 後日談 あとがき プロローグ "
    "エピローグ 프롤로그 에필로그"
)
# Titles in a book that numbers its chapters; of the second kind alone or with a number, for
# ordinary words begin so: 结局之惨, 후기 조선.
_WEAK_NAMES = "间章 間章 断章 斷章 尾章 完结章 結章"
_WEAK_WORDS_ALONE = (
    "引言 导言 導言 缘起 緣起 结局 結局 结语 結語 终曲 "
    "終曲 序曲 间奏 間奏 插曲 外传 外傳 外伝 前传 前傳 后传 後傳 特别篇 特別篇 新书篇 終幕 "
    "终幕 閑話 闲话 閒話 間話 番外編 後書き 前書き まえがき 結 序編 終編 幕後 写在前面 "
    "写在后面 写在最后 完结感言 서장 종장 외전 번외 후기 작가_후기 막간 서문"
)


def _names(names: str) -> list[str]:
    return sorted((name.replace("_", " ") for name in names.split()), key=len, reverse=True)


_STRONG = re.compile(
    rf"(?:{'|'.join(_names(_STRONG_NAMES))}){_HALF}{_NAME}"
    rf"|番外{_EXTRA}{_HALF}{_NAME}"
    r"|[上中下][卷篇册冊集](?:[\s\u3000:：·]+[^。，；！？“”「」]{1,24})?"
    rf"|卷(?:之|第)?\s?{ANY_NUMBER}(?:[\s\u3000:：·、]+[^。，；！？“”「」]{{1,24}})?"
)
# Of these also with a name behind a space or colon: in prose neither follows them.
_WEAK_NAMED = "閑話 闲话 閒話 間話 番外編 特別編 特别篇 特別篇 外伝 外传 外傳 後日談 외전 번외"
_PART = r"[（(【]?[上中下前後后终終一二三四五\d][）)】]?"
_WEAK = re.compile(
    rf"(?:{'|'.join(_names(_WEAK_NAMES))})(?:\s?{ANY_NUMBER})?{_HALF}{_NAME}"
    rf"|(?:{'|'.join(_names(_WEAK_WORDS_ALONE))})(?:\s?{ANY_NUMBER}(?:화{_NAME})?|{_PART})?"
    rf"|(?:{'|'.join(_names(_WEAK_NAMED))})[\s\u3000:：]+[^\s。，；！？、“”「」]{{1,16}}"
)
# Most lines begin with none of these, which costs far less to see.
_STARTS = {name[0] for name in f"{_STRONG_NAMES} {_WEAK_NAMES} {_WEAK_WORDS_ALONE}".split()} | set(
    "番上中下卷【[《〔"
)
_ALONE_WORDS = (
    "prologue epilogue interlude preface foreword afterword introduction conclusion imprint "
    "colophon uncopyright endnotes dedication acknowledgements acknowledgments acknowledgement "
    "prologo prólogo epílogo épilogue prolog epilog epilogo пролог эпилог предисловие послесловие "
    "епілог πρόλογος επίλογος lời_nói_đầu vĩ_thanh"
)
_WEAK_WORDS = (
    "intermission coda finale appendix postscript interlude outro intermezzo bonus_chapter "
    "side_story extra intro avant-propos postface préface introduction vorwort nachwort einleitung "
    "schluß schluss zwischenspiel prefacio introducción conclusión interludio intermedio "
    "prefazione postfazione introduzione conclusione prefácio introdução conclusão interlúdio "
    "wstęp zakończenie przedmowa posłowie interludium předmluva úvod závěr doslov előszó utószó "
    "bevezetés önsöz sonsöz son_söz giriş sonuç интерлюдия вместо_эпилога вместо_пролога "
    "заключение вступление от_автора введение вступ передмова післямова інтерлюдія voorwoord "
    "nawoord inleiding slot förord efterord forord etterord esipuhe jälkisanat mở_đầu lời_mở_đầu "
    "lời_kết kết_thúc tiết_tử ngoại_truyện phiên_ngoại pendahuluan penutup kata_pengantar "
    "prakata บทนำ บทส่งท้าย ปฐมบท مقدمة خاتمة تمهيد مقدمه پیشگفتار הקדמה פרולוג אפילוג "
    "प्रस्तावना उपसंहार भूमिका εισαγωγή πρόλογος ιντερλούδιο предговор епилог пролог"
)


_NUMBER = r"(?:\s\d{1,3}|\s[ivx]{1,4})?"
_MARKED_NAME = r"(?P<name>\s*[.:—–-]\s*(?=\S).{1,70})?"
_ALONE = re.compile(rf"(?:the )?(?:{any_of(_ALONE_WORDS)}){_NUMBER}(?:[.:—–-]|{_MARKED_NAME})")
_WEAK_ALONE = re.compile(rf"(?:the |an |a )?(?:{any_of(_WEAK_WORDS)}){_NUMBER}{_MARKED_NAME}")
_ALONE_STARTS = {
    fold(word.replace("_", " "))[:3] for word in f"{_ALONE_WORDS} {_WEAK_WORDS}".split()
}
_SPREAD = re.compile("^([一-鿿])[ \u3000]{1,4}([一-鿿])$")
_BRACED = re.compile(
    r"[【\[《〔](?P<inner>[^】\]》〕]{1,50})[】\]》〕]\s*(?P<rest>[^。，！？]{0,40})"
)
_LONGEST = 60


def is_section(text: str, numbered: bool) -> bool:
    """Whether a line names a part without a number; `numbered`: the book numbers its chapters,
    so that words which are also ordinary ones count."""
    if len(text) > 90 or text[0].islower():
        return False
    if is_authors_heading(text):
        return True
    if text[0] in _STARTS:
        braced = _BRACED.fullmatch(text)
        if braced and _is_named(braced["inner"], numbered):
            return True
        if len(text) <= _LONGEST and _is_named(_SPREAD.sub(r"\1\2", text), numbered):
            return True
    if "\u3400" <= text[0] <= "\u9fff":  # all that follows is of other scripts
        return False
    head = fold(text[:7]).removeprefix("the ").removeprefix("a ").removeprefix("an ")
    if head[:3] not in _ALONE_STARTS:
        return False
    plain = fold(text)
    if (found := _ALONE.fullmatch(plain)) is not None:
        name = text[found.start("name") :].strip(" .:—–-") if found["name"] else ""
        return not name or text.isupper() or not (name[0].islower() or text[-1] in ".!?…")
    return numbered and len(text) <= _LONGEST and _is_weak_name(text, plain)


def _is_weak_name(text: str, plain: str) -> bool:
    """Whether a line is such a word alone, or a name in capitals follows it that is no sentence."""
    found = _WEAK_ALONE.fullmatch(plain)
    if found is None or not found["name"]:
        return found is not None
    names = re.findall(r"[^\W\d_]{4,}", text[found.start("name") :])
    capitals = bool(names) and all(name[0].isupper() for name in names)
    return capitals and text[-1] not in ".!?…"


def _is_named(text: str, numbered: bool) -> bool:
    if _STRONG.fullmatch(text):
        return True
    return numbered and _WEAK.fullmatch(text.strip(BLANK)) is not None
