"""Traditional characters as simplified ones, for the words of sites and authors alone.

The rules name these words in simplified characters; a line is folded before it is judged, and
stays as it is where it is kept. Only characters that the rules have are here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

_PAIRS = (
    "網网頁页載载閱阅讀读書书錄录錯错誤误報报機机戶户請请記记請请鏈链聯联繫系歡欢迎迎給给發发"
    "佈布時时間间節节數数評评論论賞赏訂订閱阅購购買买換换動动頻频無无彈弹窗窗說说網网見见"
    "謝谢薦荐盟盟請请假假卷卷關关閉闭擊击點点會会員员員员樂乐與与們们對对還还來来這这"
    "個个為为創创業业標标題题話话後后後后續续結结終终寫写處处資资訊讯連连載载雲云廣广告告"
    "啟启緩缓滿满補补過过滑滑龍龙愛爱學学場场長长電电項项確确認认簡简體体檢检實实際际經经"
    "權权歸归屬属圖图檔档類类級级別别號号碼码館馆陸陆註注冊册轉转貼贴進进層层獲获從从"
    "僅仅參参習习試试滅灭禁禁絕绝嚴严獨独優优惠惠質质體体驗验費费觀观賣卖贈赠"
)
_SIMPLE = dict(zip(_PAIRS[::2], _PAIRS[1::2], strict=True))
_TO_SIMPLE = str.maketrans(_SIMPLE)
_OLD = re.compile("[" + "".join(old for old, simple in _SIMPLE.items() if old != simple) + "]")
_TO_OLD = str.maketrans({simple: old for old, simple in _SIMPLE.items()})
_FEW = 20  # such characters in a sample of lines


def traditional(word: str) -> str:
    """A word of the rules as a traditional text writes it."""
    return word.translate(_TO_OLD)


def is_traditional(texts: Iterable[str]) -> bool:
    """Whether the first lines of a book are in traditional characters."""
    return sum(len(_OLD.findall(text)) for text in itertools.islice(texts, 200)) >= _FEW


def simplified(text: str) -> str:
    """`text` with the traditional characters that rules need in simplified form, as long."""
    return text.translate(_TO_SIMPLE) if _OLD.search(text) else text
