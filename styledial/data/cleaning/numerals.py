"""Numbers as titles write them: 12, ⅫI, 十二, 壹拾贰, ⑫, twelve, двенадцатая, 甲."""

from __future__ import annotations

import re
import unicodedata

from styledial.data.cleaning.folding import fold

HAN_DIGITS = "零〇○一二三四五六七八九十百千万萬两兩廿卅卌壹贰貳叁參参肆伍陆陸柒捌玖拾佰仟壱弐"
ARABIC = r"\d{1,4}"
_MIXED = f"[{HAN_DIGITS}0-9０-９]"  # 一百0一
HAN_NUMBER = rf"(?:[{HAN_DIGITS}]{_MIXED}{{0,9}}|\d{{1,3}}[{HAN_DIGITS}]{_MIXED}{{0,8}})"
ROMAN = "(?:[IVXLC]{1,9}|[ivxlc]{1,9}|[ІХVСL]{1,9}|[Ⅰ-ⅿ]{1,4})"
CIRCLED = "[①-⑳㈠-㈩⑴-⒇]"
# Roman numbers that are ones, in small letters: `civil` is none.
REAL_ROMAN = (
    "(?=[ivxlcіхс])[cс]{0,3}(?:[xх][cс]|[xх]l|l?[xх]{0,4})(?:[iі][xх]|[iі]v|v?[iі]{0,4})|[ⅰ-ⅿ]{1,4}"
)

_DIGITS = (
    {c: i for i, c in enumerate("零一二三四五六七八九")}
    | {c: i for i, c in enumerate("〇壹贰叁肆伍陆柒捌玖")}
    | {"○": 0, "两": 2, "兩": 2, "貳": 2, "參": 3, "参": 3, "陸": 6, "壱": 1, "弐": 2}
)
_TENS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000, "万": 10000, "萬": 10000}
_SCORES = {"廿": 20, "卅": 30, "卌": 40}
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_CYRILLIC_ROMAN = str.maketrans("іхс", "ixc")

# What stands for a number by its place in a row.
_ROWS_OF_SIGNS = (
    "上中下", "甲乙丙丁戊己庚辛壬癸", "子丑寅卯辰巳午未申酉戌亥", "春夏秋冬", "상중하",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "אבגדהוזחטי", "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ",
)  # fmt: skip
# (row, place) of each sign.
SERIES = {sign: (row, place) for row in _ROWS_OF_SIGNS for place, sign in enumerate(row, 1)}
SERIES |= {sign: ("上中下", place) for sign, place in (("前", 1), ("後", 3), ("后", 3))}

# Beginnings of the ordinal and cardinal words from one to ten and of the tens, by language; the
# form of a word changes with gender and case, its beginning doesn't.
_STEMS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twent thirt fort fift sixt seventy eight ninet hundred "
    "thousand first second third last "
    "prem prim seg deux deuxi trois quatr cinq sept huit neuf dix onz douz treiz quatorz quinz "
    "seiz vingt trent quarant cinquant soixant cent dernier "
    "erst zweit dritt viert fünft sechst siebt acht neunt zehnt elft zwölft ein eins zwei drei "
    "vier fünf sechs sieben acht neun zehn elf zwölf dreizehn zwanzig dreißig vierzig fünfzig "
    "sechzig siebzig achtzig neunzig hundert "
    "tercer cuart quint sext séptim octav noven décim undécim duodécim uno dos tres cuatro cinco "
    "seis siete ocho nueve diez onc doce trece catorce quince veint treint cuarent cincuent "
    "sesent setent ochent novent cien vigésim trigésim "
    "second terz quart quint sest settim ottav non decim undicesim uno due tre quattro cinque sei "
    "sette otto nove dieci undici dodici tredici quattordici quindici sedici vent trent quarant "
    "cinquant sessant settant ottant novant cento "
    "um dois duas três quatro oito dez doze treze primeir terceir quarto sétim oitav vinte trinta "
    "quarenta cinquenta sessenta setenta oitenta noventa cem cento "
    "eerst tweed derd vierd vijfd zesd zevend achtst negend tiend een twee drie vier vijf zes "
    "zeven acht negen tien elf twaalf dertien twintig dertig veertig vijftig honderd "
    "pierwsz drug trzec czwart piąt szóst siódm ósm dziewiąt dziesiąt jeden dwunast trzynast "
    "czternast piętnast szesnast siedemnast osiemnast dziewiętnast dwudziest trzydziest "
    "czterdziest dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć "
    "перв втор трет четв пят шест седьм восьм девят десят одиннадцат двенадцат тринадцат "
    "четырнадцат пятнадцат шестнадцат семнадцат восемнадцат девятнадцат двадцат тридцат сорок "
    "пятьдесят один два три четыре пять шесть семь восемь девять десять последн перш друг "
    "перв друг четверт п'ят шост сьом восьм дев'ят десят одинадцят дванадцят тринадцят "
    "двадцят тридцят първ трет пет седм осм прв трећ "
    "birinc ikinc üçünc dördünc beşinc altınc yedinc sekizinc dokuzunc onunc on bir iki üç dört "
    "beş altı yedi sekiz dokuz yirmi otuz kırk elli yüz "
    "först andr tredj fjärd fjerd femt sjätt sjett sjund syvend åttond ottend niond niend tiond "
    "ett två tre fyra fem sex sju åtta nio tio tjugo trettio ført først annet annen fjerde andet "
    "ensimmäi toi kolma neljä viide kuude seitsem kahdeks yhdeks kymmen yksi kaksi kolme viisi "
    "kuusi "
    "első második harmadik negyedik ötödik hatodik hetedik nyolcadik kilencedik tizedik egy kettő "
    "három négy öt hat hét nyolc kilenc tíz tizen huszon husz harminc negyven egyed kétted ketted "
    "harmad negyed ötöd hatod heted nyolcad kilenced "
    "prvn druh třet čtvrt pát šest sedm osm devát desát jedna dva tři čtyři pět dvacát třicát "
    "prv treć četvrt tret štvrt "
    "întâi doilea treilea patrulea cincilea unu doi trei "
    "πρώτ δεύτερ τρίτ τέταρτ πέμπτ έκτ έβδομ όγδο ένατ δέκατ ένα δύο τρία τέσσερα πέντε έξι επτά "
    "οκτώ εννέα δέκα εικοστ "
    "một hai ba bốn năm sáu bảy tám chín mười mươi nhất nhì tư "
    "satu dua tiga empat lima enam tujuh delapan sembilan sepuluh belas puluh sebelas pertam kedua "
    "ketiga keempat kelima keenam ketujuh "
    "اول دوم سوم چهارم پنجم ششم هفتم هشتم نهم دهم ראשו שני שלישי רביעי חמישי שישי שביעי שמיני "
    "एक दो तीन चार पाँच छह सात आठ नौ दस पहला दूसरा तीसरा चौथा पाँचवाँ छठा "
    "หนึ่ง สอง สาม สี่ ห้า หก เจ็ด แปด เก้า สิบ ยี่ เอ็ด"
)
_STEM = "|".join(sorted({fold(stem) for stem in _STEMS.split()}, key=len, reverse=True))
# einundzwanzig, veinticuatro, quarantaquattro: parts of a word, perhaps with a vowel between.
_WORD = rf"(?:(?:{_STEM})(?:i|o|a|e|y|en|et|und|on|u)?){{1,4}}[^\W\d_]{{0,6}}"
_JOINED = r"[ -](?:(?:and|y|e|et|i|a|og|och|ja|thu)[ -])?"
# A number in words, in folded text: `one hundred and one`, `the first`, `trigésima segunda`.
NUMBER_IN_WORDS = (
    r"(?:(?:the|le|la|il|lo|el|o|a|al|das|die|der|thu)\s+)?"
    + rf"{_WORD}(?:{_JOINED}{_WORD}){{0,4}}(?: et une?)?"
)
# Chapters that are numbered by the letters of the alphabet, and Arabic's ordinals.
LETTERS = (
    "(?:[Α-Ωα-ω]{1,3}[΄ʹ´'’]|[\u05d0-\u05ea]{1,2}['׳״\"]?[\u05d0-\u05ea]?|"
    "ال(?:أول|ثاني|ثالث|رابع|خامس|سادس|سابع|ثامن|تاسع|عاشر|حادي|أخير)[ةى]?"
    "(?: (?:عشرة?|وال(?:عشر|ثلاث|أربع|خمس)ون))?)"
)


# Words in their order, for numbers that stand alone on a line.
_ROWS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen",
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth",
    "un deux trois quatre cinq six sept huit neuf dix",
    "première seconde",
    "primera segunda tercera cuarta",
    "prima seconda terza quarta",
    "primeira segunda terceira quarta",
    "первая вторая третья четвертая пятая шестая седьмая",
    "первое второе третье четвертое пятое",
    "первый второй третий четвертый пятый",
    "premier deuxième troisième quatrième cinquième sixième septième huitième neuvième dixième",
    "eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
    "erstens zweitens drittens viertens",
    "uno dos tres cuatro cinco seis siete ocho nueve diez",
    "primero segundo tercero cuarto quinto sexto séptimo octavo",
    "uno due tre quattro cinque sei sette otto nove dieci",
    "primo secondo terzo quarto quinto sesto settimo ottavo",
    "um dois três quatro cinco seis sete oito nove dez",
    "один два три четыре пять шесть семь восемь девять десять",
    "bir iki üç dört beş altı yedi sekiz dokuz on",
    "jeden dwa trzy cztery pięć sześć siedem osiem",
)
_TENS_IN_WORDS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {fold(word): n for row in _ROWS for n, word in enumerate(row.split(), 1)}
_VALUES |= {word: n * 10 for n, word in enumerate(_TENS_IN_WORDS, 2)}


def value_of_words(words: str) -> int:
    """What a number in folded words, or a Roman or other numeral, says; 0 where it isn't known."""
    if words.isdecimal() or re.fullmatch(REAL_ROMAN, words):
        return value(words)
    parts = [_VALUES.get(word, 0) for word in re.split(r"[\s-]+", words) if word != "the"]
    return sum(parts) if parts and all(parts) and len(parts) <= 2 else 0


def value(numeral: str) -> int:
    """What a numeral says; 0 where it can't be read."""
    text = unicodedata.normalize("NFKC", numeral).strip("()").lower().translate(_CYRILLIC_ROMAN)
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
    """一千零二十二, 一百0二, and digits in a row as in 一一七."""
    digits = [_DIGITS.get(c, int(c) if c.isdecimal() else -1) for c in text]
    if len(text) > 1 and min(digits) >= 0:
        return int("".join(map(str, digits)))
    total = part = digit = 0
    for c, own in zip(text, digits, strict=True):
        if c in _SCORES:
            part, digit = part + _SCORES[c], 0
        elif (unit := _TENS.get(c, 0)) >= 10_000:
            total, part, digit = (total + part + digit) * unit, 0, 0
        elif unit:
            part, digit = part + (digit or 1) * unit, 0
        else:
            digit = max(own, 0)
    return total + part + digit
