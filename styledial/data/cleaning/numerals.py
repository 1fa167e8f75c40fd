"""Numbers as titles write them: 12, ⅫI, 十二, 壹拾贰, ⑫, twelve, двенадцатая."""

from __future__ import annotations

import re
import unicodedata

HAN_DIGITS = "零〇○一二三四五六七八九十百千万萬两兩廿卅卌壹贰貳叁參肆伍陆陸柒捌玖拾佰仟"
ARABIC = "[0-9０-９]{1,4}"
HAN_NUMBER = f"[{HAN_DIGITS}]{{1,10}}"
ROMAN = "(?:[IVXLC]{1,9}|[ivxlc]{1,9}|[Ⅰ-ⅿ]{1,4})"
CIRCLED = "[①-⑳㈠-㈩⑴-⒇]"

_DIGITS = (
    {c: i for i, c in enumerate("零一二三四五六七八九")}
    | {c: i for i, c in enumerate("〇壹贰叁肆伍陆柒捌玖")}
    | {"○": 0, "两": 2, "兩": 2, "貳": 2, "參": 3, "陸": 6}
)
_TENS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000, "万": 10000, "萬": 10000}
_SCORES = {"廿": 20, "卅": 30, "卌": 40}
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}

# Beginnings of the ordinal and cardinal words from one to ten and of the tens, by language; the
# form of a word changes with gender and case, its beginning doesn't.
_STEMS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twent thirt fort fift sixt seventy eight ninet hundred "
    "first second third last "
    "prem prim seg deux deuxi trois quatr cinq sept huit neuf dix onz douz treiz quatorz "
    "quinz seiz vingt "
    "trent quarant cinquant dernier "
    "erst zweit dritt viert fünft sechst siebt acht neunt zehnt elft zwölft eins zwei drei "
    "vier fünf "
    "sechs sieben acht neun zehn elf zwölf dreizehn "
    "tercer cuart quint sext séptim octav noven décim undécim duodécim uno dos tres cuatro "
    "cinco seis "
    "siete ocho nueve diez onc doce trece catorce quince veint "
    "second terz quart quint sest settim ottav non decim undicesim due tre quattro cinque "
    "sei sette otto "
    "nove dieci undici dodici tredici "
    "um dois quatro oito dez doze primeir terceir sétim oitav "
    "eerst tweed derd vierd vijfd zesd "
    "pierwsz drug trzeci czwart piąt szóst siódm ósm dziewiąt dziesiąt "
    "перв втор трет четв пят шест седьм восьм девят десят одиннадцат двенадцат тринадцат "
    "четырнадцат "
    "пятнадцат шестнадцат семнадцат восемнадцат девятнадцат двадцат тридцат сорок пятьдесят "
    "один два три "
    "четыре семь восемь девять десять последн перш друг "
    "birinc ikinc üçünc dördünc beşinc altınc yedinc sekizinc dokuzunc onunc "
    "först andr tredj fjärd fjerd femt sjätt sjett sjund syvend åttond ottend niond niend tiond "
    "ensimmäi toi kolma neljä viide kuude seitsem kahdeks yhdeks kymmen "
    "első második harmadik negyedik ötödik hatodik hetedik nyolcadik kilencedik tizedik "
    "prvn druh třet čtvrt pát šest sedm osm devát desát "
    "întâi doilea treilea patrulea cincilea πρώτ δεύτερ τρίτ τέταρτ πέμπτ έκτ έβδομ όγδο ένατ δέκατ"
)
ORDINAL = (
    "(?:(?:the|le|la|il|lo|el|o|a|das|die|der)\\s+)?(?:"
    + "|".join(sorted(set(_STEMS.split()), key=len, reverse=True))
    + ")[^\\W\\d_]{0,6}(?:[- ][^\\W\\d_]{3,12})?"
)
# Chapters that are numbered by the letters of the alphabet, and Arabic's ordinals.
LETTERS = (
    "(?:[Α-Ω]{1,3}[΄ʹ´'’]|[\u05d0-\u05ea]{1,2}['׳״\"]?[\u05d0-\u05ea]?|"
    "ال(?:أول|ثاني|ثالث|رابع|خامس|سادس|سابع|ثامن|تاسع|عاشر|حادي|أخير)[ةى]?(?: عشرة?)?)"
)


def value(numeral: str) -> int:
    """What a numeral says; 0 where it can't be read."""
    text = unicodedata.normalize("NFKC", numeral).strip("()").lower()
    if text.isdigit():
        return int(text)
    if re.fullmatch("[ivxlc]+", text):
        return _roman(text)
    return _han(text)


def _roman(text: str) -> int:
    values = [_ROMAN[c] for c in text]
    after = [*values[1:], 0]
    return sum(-v if v < w else v for v, w in zip(values, after, strict=True))


def _han(text: str) -> int:
    """一千零二十二, and digits in a row as in 一一七."""
    if len(text) > 1 and all(c in _DIGITS for c in text):
        return int("".join(str(_DIGITS[c]) for c in text))
    total = part = digit = 0
    for c in text:
        if c in _SCORES:
            part, digit = part + _SCORES[c], 0
        elif (unit := _TENS.get(c, 0)) >= 10_000:
            total, part, digit = (total + part + digit) * unit, 0, 0
        elif unit:
            part, digit = part + (digit or 1) * unit, 0
        else:
            digit = _DIGITS.get(c, 0)
    return total + part + digit
