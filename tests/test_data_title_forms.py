"""Numbered forms and unnumbered parts in many languages head chapters; sentences like them don't."""

from __future__ import annotations

import pytest
from test_data_titles import cleaned, story

from styledial.data.cleaning.number_words import value_of_words
from styledial.data.cleaning.numerals import value

# The titles of a book; \\ parts them.
FORMS = r"""
上\中\下
【上】\【中】\【下】
第一卷 雪\上\中\下\第二卷 月\上\下
第一卷\甲\乙\丙\第二卷\甲\乙
第一部 雪\上\下\第二部 月\上\下\尾声
甲、雪夜\乙、月夜\丙、风夜
第一天\第二天\第三天\第四天
第一案 雪\第二案 月\第三案 风
第一世 书生\第二世 将军\第三世 渔夫
第一齣 雪\第二齣 月\第三齣 风
第一封信\第二封信\第三封信
第一个故事\第二个故事\第三个故事
第一百零一章\第一百0二章\第一百0三章
第1百零1章 雪\第1百零2章 月\第1百零3章 风
第一章 雪\幕间\第二章 月\间章 船\断章\尾章\后日谈
引言\第一章 雪\第二章 月\大结局（上）\大结局（下）
第一章 消息：雪\第二章 消息：月\第三章 消息：风
第一章 雪。\第二章 月。\第三章 风。
第一章雪夜\第十六章生死看淡，明日再说\第一百章渡口
第一章雪夜\第二章他来了\第三章月夜\第四章程门立雪\第五章渡口
雪（上）\雪（下）\月（上）\月（下）
雪（一）\雪（二）\月（三）\月（四）
001雪夜\002灯下\003渡口
①雪\②月\③风
1月1日\1月2日\1月3日
1화. 눈\2화. 달\3화. 바람
[1화]\[2화]\[3화]
프롤로그\1화 눈\2화 달\3화 강\에필로그\외전 1화 비
눈길 (1)\눈길 (2)\강가 (3)
나룻배의 밤 1화\나룻배의 밤 2화\나룻배의 밤 3화
첫째 날\둘째 날\셋째 날
1話目\2話目\3話目
一日目\二日目\三日目
プロローグ\第一章\閑話\第二章\幕間\終幕\あとがき
前編\中編\後編
閑話　猫\第一話　雪\第二話　月\番外編：船
１－１．雪\１－２．月\２－１．風
BÖLÜM BİR\BÖLÜM İKİ\BÖLÜM ÜÇ
ΚΕΦΑΛΑΙΟ ΠΡΩΤΟ\ΚΕΦΑΛΑΙΟ ΔΕΥΤΕΡΟ\ΚΕΦΑΛΑΙΟ ΤΡΙΤΟ
I. rész\II. rész\III. rész
Kapitel einundzwanzig\Kapitel zweiundzwanzig\Kapitel dreiundzwanzig
I. Kapitel.\II. Kapitel.\III. Kapitel.
Capítulo veinticuatro\Capítulo veinticinco\Capítulo treinta y seis
अध्याय १\अध्याय २\अध्याय ३
पहला अध्याय\दूसरा अध्याय\तीसरा अध्याय
Arc 1: Rain 1.1\Arc 1: Rain 1.2\Arc 2: Snow 2.1
Vol. 2 Ch. 14\Vol. 2 Ch. 15\Vol. 2 Ch. 16
Chapter One Hundred and One\Chapter One Hundred and Two\Chapter One Hundred and Three
Twenty-One\Twenty-Two\Twenty-Three\Twenty-Four
ONE. RAIN\TWO. SNOW\THREE. WIND
i.\ii.\iii.
[Chapter 1]\[Chapter 2]\[Chapter 3]
Chapter One, in Which It Rains\Chapter Two, in Which It Snows\Chapter Three, in Which We Wait
The Rain (Part 1)\The Rain (Part 2)\The Rain (Part 3)
Log Entry 1\Log Entry 2\Log Entry 3
Ire partie\IIe partie\IIIe partie
Розділ п’ятий\Розділ шостий\Розділ сьомий
РОЗДІЛ І\РОЗДІЛ ІІ\РОЗДІЛ ІІІ
Глава первая, в которой дождь\Глава вторая, в которой снег\Глава третья, в которой ждут
От автора\Глава 1\Глава 2\Заключение
Chương một\Chương mười hai\Chương hai mươi ba
Hồi thứ nhất\Hồi thứ hai\Hồi thứ ba
บทที่ ๑\บทที่ ๒\บทที่ ๓
บทที่หนึ่ง\บทที่สอง\บทที่สาม
الفصل ١\الفصل ٢\الفصل ٣
فصل اول\فصل دوم\فصل سوم
פרק ראשון\פרק שני\פרק שלישי
Rozdział dwudziesty pierwszy\Rozdział dwudziesty drugi\Rozdział dwudziesty trzeci
Capitolo quarantaquattro\Capitolo ventuno\Capitolo ventidue
Capítulo vinte e um\Capítulo vinte e dois\Capítulo vinte e três
Vorwort\Erstes Kapitel\Zweites Kapitel\Nachwort
1. kapitola\2. kapitola\3. kapitola
Bab Sebelas\Bab Dua Belas\Bab Tiga Belas
Pirmas skyrius\Antras skyrius\Trečias skyrius
""".strip().split("\n")

# Each stands four times in a book of five chapters that are called 第一章 to 第五章.
PROSE = """
第一章程是这样写的
番外地人来了不少
第一封信写得极短，只有八个字。
第一封信
第二天
第一回合他就输了
第一节课他睡着了
大结局还早得很
二十年前的事
1942年冬
序幕拉开了
Kapitel für Kapitel las er
Part of me wanted to go
Bab ini belum selesai
Bölüm sona erdi
Часть людей ушла
Chương trình đã hết
ตอนที่เขามา
1화를 보았다
閑話休題
Tome IV was missing from the shelf
""".strip().split("\n")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.split("\\")[0])
def test_a_form_heads_chapters(form: str) -> None:
    titles, prose = form.split("\\"), story()
    rows = [row for i, title in enumerate(titles) for row in (title, *prose[8 * i : 8 * i + 8])]
    chapters, kept, _ = cleaned(rows)
    assert len(chapters) == len(titles)
    assert None not in chapters.values()
    assert kept == prose[: 8 * len(titles)]


@pytest.mark.parametrize("line", PROSE)
def test_a_sentence_like_a_title_stays(line: str) -> None:
    rows, prose = [], story()
    for i, number in enumerate("一二三四五"):
        rows += [f"第{number}章 雪", *prose[8 * i : 8 * i + 4], *[line] * (i < 4)]
        rows += prose[8 * i + 4 : 8 * i + 8]
    chapters, kept, _ = cleaned(rows)
    assert (len(chapters), kept.count(line)) == (5, 4)


def test_letters_and_days_head_chapters_beside_them_or_alone() -> None:
    """第二天 in a book of 第…章 only parts a chapter; as its volumes it stands beside their titles."""
    prose = story()
    rows: list[str] = []
    for i in range(6):
        volume = [f"第{'一二三'[i // 2]}世"] if i % 2 == 0 else []
        rows += [*volume, f"第{'一二三四五六'[i]}章 雪", *prose[8 * i : 8 * i + 8]]
    chapters, kept, _ = cleaned(rows)
    assert chapters[0] == "第一世 第一章 雪"
    assert kept == prose[:48]


def test_values_of_numbers() -> None:
    assert [value(n) for n in ("一百0二", "1百零3", "१२", "٣", "ІІІ")] == [102, 103, 12, 3, 3]
    assert [value_of_words(n) for n in ("twenty-one", "iv", "zwei", "often")] == [21, 4, 2, 0]
