"""Small texts of our own for the tests of reading: told in the old manner, long enough to judge."""

from __future__ import annotations

import functools
import os
import random
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("STYLEDIAL_SHARED", ROOT.parent / "shared"))
NOVELS = SHARED / "corpora" / "style_zh"

needs_novels = pytest.mark.skipif(
    not NOVELS.is_dir(), reason="../shared/corpora/style_zh is absent"
)

STORY = """话说青石镇上有一个打铁的汉子，姓陆名大川，生得膀阔腰圆，声如洪钟。
这日天色将晚，只见一个老道牵着一头瘦驴，从镇口慢慢走来。
老道说：“施主，贫道要借一口好刀，三日之后必定奉还。”
陆大川笑道：“道长，我这里的刀，都是给好汉用的，你要它做甚？”
老道也不恼，将手一伸，那炉中的火苗忽地窜起三尺来高，满屋通红。
有诗为证：
炉火千年照铁衣，江湖夜雨故人稀。
不知匣里青锋在，曾为谁家斩是非。
众人看了，无不喝彩。陆大川心中一惊，暗想：“此人内力深厚，绝非寻常之辈。”
当下取出一口单刀，双手奉上，又叫徒弟整理行装，备下干粮酒肉。
老道接刀在手，略一端详，便道：“好刀，只是杀气太重。”说罢飘然而去。
"""

TRADITIONAL = """話說青石鎮上有一個打鐵的漢子，姓陸名大川，生得膀闊腰圓，聲如洪鐘。
這日天色將晚，只見一個老道牽著一頭瘦驢，從鎮口慢慢走來。
老道說：「施主，貧道要借一口好刀，三日之後必定奉還。」
陸大川笑道：「道長，我這裡的刀，都是給好漢用的，你要它做甚？」
老道也不惱，將手一伸，那爐中的火苗忽地竄起三尺來高，滿屋通紅。
眾人看了，無不喝彩。陸大川心中一驚，暗想：「此人內力深厚，絕非尋常之輩。」
當下取出一口單刀，雙手奉上，又叫徒弟整理行裝，備下乾糧酒肉。
老道接刀在手，略一端詳，便道：「好刀，只是殺氣太重。」說罷飄然而去。
"""

_WHO = ["陆大川", "老道", "沈三娘", "白衣少年", "铁头和尚", "镖头马六", "店小二", "黑脸汉子"]
_WHERE = ["客店里", "山门外", "渡口边", "古庙中", "城楼上", "竹林内", "大堂前", "酒楼上", "雪地里"]
_DOES = ["拔刀便砍", "拱手施礼", "哈哈大笑", "翻身上马", "纵身一跃", "低头不语", "长叹一声"]
_DOES += ["斟酒一碗", "怒目圆睁", "转身就走"]
_SAYS = ["且慢动手", "此话当真", "好快的刀", "走为上策", "后会有期", "欺人太甚", "小心暗器"]
_SAYS += ["明日再会", "天色不早", "请了请了"]


_COMMON = (
    "天地人大小多少上下左右前后里外东西南北山水火木金石土风云雨雪日月星光花草树叶鸟鱼马牛羊虎龙"
    "父母兄弟姐妹儿女老少男朋友师徒主客手足头目口耳心身言语文字书画琴棋刀剑枪箭弓弩车船桥路门窗"
    "房屋城楼街市村庄江湖河海井田米面酒肉茶饭衣帽鞋布红黄青白黑长短高低远近新旧好坏真假快慢轻重"
    "走跑跳飞坐立行看听说问答想念爱恨怕喜怒哀乐来去进出开关起落生死得失成败是非一二三四五六七八九"
)


@functools.cache  # thousands of tests ask for one of a few
def novel(seed: int, chapters: int = 6, paragraphs: int = 14) -> str:
    """A story that no other seed tells, with numbered chapters."""
    draw = random.Random(seed)
    lines = []
    for number in range(1, chapters + 1):
        lines += [f"第{_numeral(number)}回　{draw.choice(_WHO)}{draw.choice(_DOES)}", ""]
        for _ in range(paragraphs):
            lines.append("　　" + "".join(_sentence(draw) for _ in range(draw.randint(2, 5))))
        lines.append("")
    return "\n".join(lines)


def _sentence(draw: random.Random) -> str:
    who, other = draw.choice(_WHO), _words(draw, 2)
    where, does, says = draw.choice(_WHERE), draw.choice(_DOES), draw.choice(_SAYS)
    return draw.choice(
        [
            f"只见{who}{does}，{_words(draw, 7)}，{other}在{_words(draw, 5)}。",
            f"{who}道：“{says}，{_words(draw, 6)}，{other}{_words(draw, 6)}！”",
            f"到了{_words(draw, 2)}{where}，{other}{_words(draw, 5)}，{who}{_words(draw, 4)}。",
        ]
    )


@functools.cache
def prose(length: int, seed: int, paragraph: int = 120) -> str:
    """About `length` characters of sentences that no other seed tells, in paragraphs."""
    draw = random.Random(seed)
    rows = [""]
    for _ in range(length // 13):
        if len(rows[-1]) >= paragraph:
            rows.append("")
        rows[-1] += _words(draw, draw.randint(9, 15)) + "。"
    return "\n".join(rows)


def _words(draw: random.Random, count: int) -> str:
    """Common characters in no order: no two books share a run of them."""
    return "".join(draw.choices(_COMMON, k=count))


def _numeral(number: int) -> str:
    digits = "零一二三四五六七八九"
    tens, ones = divmod(number, 10)
    if not tens:
        return digits[ones]
    return ("" if tens == 1 else digits[tens]) + "十" + (digits[ones] if ones else "")


def squeezed(text: str) -> str:
    """Text without spaces, as titles and layout differ between copies."""
    return "".join(text.split())


CONTAINER = '<container><rootfiles><rootfile full-path="OEBPS/c.opf"/></rootfiles></container>'


def write_epub(
    path: Path,
    pages: dict[str, str | bytes],
    manifest: str = "",
    spine: str = "",
    others: dict[str, bytes] | None = None,
) -> None:
    """An .epub of these pages, bodies or whole files; `manifest` and `spine` go before its own."""
    items = "".join(
        f'<item id="i{n}" href="{name}" media-type="application/xhtml+xml"/>'
        for n, name in enumerate(pages)
    )
    refs = spine or "".join(f'<itemref idref="i{n}"/>' for n in range(len(pages)))
    package = f"<package><manifest>{manifest}{items}</manifest><spine>{refs}</spine></package>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("mimetype", "application/epub+zip")
        packed.writestr("META-INF/container.xml", CONTAINER)
        packed.writestr("OEBPS/c.opf", package)
        for name, page in pages.items():
            whole = (
                page if isinstance(page, bytes) else f"<html><body>{page}</body></html>".encode()
            )
            packed.writestr(f"OEBPS/{name}", whole)
        for name, raw in (others or {}).items():
            packed.writestr(name, raw)
