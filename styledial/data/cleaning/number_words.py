"""Whole words for numbers, by language, beside that language's words for chapters.

The lists are closed: a word that only begins like a number (`badly`, `Chinese`) is none, and a
number counts only beside a chapter's word of its own language: `on` is ten in Turkish, but English
`Act on` is no chapter.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from styledial.data.cleaning.folding import fold
from styledial.data.cleaning.numerals import REAL_ROMAN, value


class Language(NamedTuple):
    """`words` for chapters; `rows` of numbers in their order, `_` where one is missing; `tens`
    likewise from ten; `+` stands for any of `endings`; `more`: other parts of numbers; `glued`:
    a pattern of numbers in one word. `ordinals` and `ordinal_tens` may stand before the word."""

    words: str
    ordinals: tuple[str, ...]
    rows: tuple[str, ...] = ()
    tens: str = ""
    ordinal_tens: str = ""
    endings: str = ""
    more: str = ""
    glued: str = ""


_RUSSIAN_TEENS = (
    "одиннадцат+ двенадцат+ тринадцат+ четырнадцат+ пятнадцат+ шестнадцат+ семнадцат+ "
    "восемнадцат+ девятнадцат+"
)
LANGUAGES = (
    Language(
        "chapter chapt chap ch book part act volume canto letter scene episode section",
        (
            "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
            "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth",
        ),
        (
            "one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
            "fifteen sixteen seventeen eighteen nineteen",
        ),
        "_ twenty thirty forty fifty sixty seventy eighty ninety hundred",
        "_ twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth",
        more="last thousand",
    ),
    Language(
        "chapitre livre partie tome acte",
        (
            "premier deuxième troisième quatrième cinquième sixième septième huitième neuvième "
            "dixième onzième douzième treizième quatorzième quinzième seizième",
            "première seconde",
            "unième second",
        ),
        (
            "un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze "
            "seize",
        ),
        "_ vingt trente quarante cinquante soixante _ _ _ cent",
        "_ vingtième trentième quarantième cinquantième soixantième",
        more="dernier dernière vingts",
    ),
    Language(
        "kapitel teil buch akt",
        (
            "erst+ zweit+ dritt+ viert+ fünft+ sechst+ siebent+ acht+ neunt+ zehnt+ elft+ zwölft+ "
            "dreizehnt+ vierzehnt+ fünfzehnt+ sechzehnt+ siebzehnt+ achtzehnt+ neunzehnt+",
            "_ _ _ _ _ _ siebt+",
        ),
        (
            "eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
            "fünfzehn sechzehn siebzehn achtzehn neunzehn",
        ),
        "_ zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert",
        "_ zwanzigst+ dreißigst+ vierzigst+ fünfzigst+ sechzigst+",
        "e|er|es|en|em",
        glued="(?:ein|zwei|drei|vier|funf|sechs|sieben|acht|neun)und"
        "(?:zwanzig|dreißig|vierzig|funfzig|sechzig|siebzig|achtzig|neunzig)(?:ste[rsnm]?)?",
    ),
    Language(
        "capítulo capítol parte libro",
        (
            "primer+ segund+ tercer+ cuart+ quint+ sext+ séptim+ octav+ noven+ décim+ undécim+ "
            "duodécim+",
            "primer segon tercer",
        ),
        (
            "uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince "
            "dieciséis diecisiete dieciocho diecinueve",
        ),
        "_ veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa cien",
        "_ vigésim+ trigésim+ cuadragésim+ quincuagésim+",
        "o|a",
        more="ciento",
        glued="veinti(?:uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve)",
    ),
    Language(
        "capitolo parte libro atto",
        (
            "prim+ second+ terz+ quart+ quint+ sest+ settim+ ottav+ non+ decim+ undicesim+ "
            "dodicesim+ tredicesim+ quattordicesim+ quindicesim+",
        ),
        (
            "uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici "
            "quattordici quindici sedici diciassette diciotto diciannove",
        ),
        "_ venti trenta quaranta cinquanta sessanta settanta ottanta novanta cento",
        "_ ventesim+ trentesim+ quarantesim+",
        "o|a",
        glued="(?:venti?|trenta?|quaranta?|cinquanta?|sessanta?|settanta?|ottanta?|novanta?)"
        "(?:uno|due|tre|quattro|cinque|sei|sette|otto|nove)",
    ),
    Language(
        "capítulo parte livro",
        ("primeir+ segund+ terceir+ quart+ quint+ sext+ sétim+ oitav+ non+ décim+",),
        (
            "um dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze "
            "dezesseis dezessete dezoito dezenove",
        ),
        "_ vinte trinta quarenta cinquenta sessenta setenta oitenta noventa cem",
        endings="o|a",
        more="cento",
    ),
    Language(
        "hoofdstuk deel",
        (
            "eerste tweede derde vierde vijfde zesde zevende achtste negende tiende elfde twaalfde "
            "dertiende veertiende vijftiende",
        ),
        (
            "een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien "
            "vijftien zestien zeventien achttien negentien",
        ),
        "_ twintig dertig veertig vijftig zestig zeventig tachtig negentig honderd",
        "_ twintigste dertigste veertigste",
        glued="(?:een|twee|drie|vier|vijf|zes|zeven|acht|negen)en(?:twin|der|veer|vijf|zes)tig"
        "(?:ste)?",
    ),
    Language(
        "kapitel kapittel kapitlet kapitlet",
        (
            "första andra tredje fjärde femte sjätte sjunde åttonde nionde tionde elfte tolfte",
            "første annet tredje fjerde femte sjette syvende åttende niende tiende",
            "_ andet _ _ _ sjette _ ottende",
        ),
        (
            "ett två tre fyra fem sex sju åtta nio tio elva tolv tretton fjorton femton",
            "en to tre fire fem seks syv åtte ni ti elleve tolv",
            "et _ _ _ _ _ sju otte",
        ),
    ),
    Language(
        "rozdział część księga tom",
        (
            "pierwsz+ drug+ trzec+ czwart+ piąt+ szóst+ siódm+ ósm+ dziewiąt+ dziesiąt+ "
            "jedenast+ dwunast+ trzynast+ czternast+ piętnast+ szesnast+ siedemnast+ osiemnast+ "
            "dziewiętnast+",
        ),
        ("jeden dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć",),
        "_ dwadzieścia trzydzieści",
        "_ dwudziest+ trzydziest+ czterdziest+ pięćdziesiąt+",
        "y|a|e|i|ia|ie",
    ),
    Language(
        "глава часть книга том",
        (
            "перв+ втор+ трет+ четверт+ пят+ шест+ седьм+ восьм+ девят+ десят+ " + _RUSSIAN_TEENS,
            "_ _ _ четвёрт+",
        ),
        ("один два три четыре пять шесть семь восемь девять десять",),
        "_ двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто сто",
        "_ двадцат+ тридцат+ сороков+ пятидесят+ шестидесят+",
        "ый|ий|ой|ая|ья|ое|ье",
        more="последняя",
    ),
    Language(
        "розділ частина книга том",
        (
            "перш+ друг+ трет+ четверт+ п'ят+ шост+ сьом+ восьм+ дев'ят+ десят+ одинадцят+ "
            "дванадцят+ тринадцят+ чотирнадцят+ п'ятнадцят+ шістнадцят+ сімнадцят+",
        ),
        tens="_ двадцять тридцять сорок п'ятдесят",
        ordinal_tens="_ двадцят+ тридцят+",
        endings="ий|ій|а|я|е|є",
    ),
    Language(
        "глава част поглавље",
        (
            "първ+ втор+ трет+ четвърт+ пет+ шест+ седм+ осм+ девет+ десет+",
            "прв+ друг+ трећ+ четврт+",
        ),
        endings="и|а|о|е",
    ),
    Language(
        "poglavlje kapitola část díl časť",
        (
            "prvn+ druh+ třet+ čtvrt+ pát+ šest+ sedm+ osm+ devát+ desát+",
            "prv+ drug+ treć+ četvrt+ pet+ šest+ sedm+ osm+ devet+ deset+",
            "_ _ tret+ štvrt+ piat+ šiest+ siedm+ ôsm+ deviat+ desiat+",
        ),
        ("jedna dva tři čtyři pět šest sedm osm devět deset",),
        endings="í|á|ý|é|o|ia|i",
    ),
    Language(
        "fejezet rész könyv",
        (
            "első második harmadik negyedik ötödik hatodik hetedik nyolcadik kilencedik tizedik "
            "tizenegyedik tizenkettedik tizenharmadik tizennegyedik tizenötödik",
        ),
    ),
    Language(
        "luku",
        (
            "ensimmäinen toinen kolmas neljäs viides kuudes seitsemäs kahdeksas yhdeksäs kymmenes "
            "yhdestoista kahdestoista kolmastoista",
        ),
        ("yksi kaksi kolme neljä viisi kuusi seitsemän kahdeksan yhdeksän kymmenen",),
    ),
    Language(
        "bölüm kısım",
        (
            "birinci ikinci üçüncü dördüncü beşinci altıncı yedinci sekizinci dokuzuncu onuncu",
            "ilk",
        ),
        ("bir iki üç dört beş altı yedi sekiz dokuz",),
        "on yirmi otuz kırk elli",
        "_ yirminci otuzuncu",
    ),
    Language(
        "capitolul capitol",
        ("întâi doilea treilea patrulea cincilea șaselea șaptelea optulea nouălea zecelea",),
        ("unu doi trei patru cinci șase șapte opt nouă zece",),
    ),
    Language(
        "κεφάλαιο μέρος",
        (
            "πρώτ+ δεύτερ+ τρίτ+ τέταρτ+ πέμπτ+ έκτ+ έβδομ+ όγδο+ ένατ+ δέκατ+ ενδέκατ+ δωδέκατ+",
        ),
        endings="ο|η|ος",
    ),
    Language(
        "bab bagian",
        (
            "pertama kedua ketiga keempat kelima keenam ketujuh kedelapan kesembilan kesepuluh",
        ),
        ("satu dua tiga empat lima enam tujuh delapan sembilan sepuluh sebelas",),
        more="belas puluh",
    ),
    Language(
        "فصل باب",
        ("اول دوم سوم چهارم پنجم ششم هفتم هشتم نهم دهم",),
    ),
    Language(
        "פרק חלק",
        ("ראשון שני שלישי רביעי חמישי שישי שביעי שמיני תשיעי עשירי",),
    ),
    Language(
        "अध्याय भाग",
        ("पहला दूसरा तीसरा चौथा पाँचवाँ छठा",),
        ("एक दो तीन चार पाँच छह सात आठ नौ दस",),
    ),
)  # fmt: skip
# Its tones are kept: hỏi (to ask) is not hồi (a chapter).
VIETNAMESE = Language(
    "chương quyển hồi phần tập",
    ("nhất nhì",),
    ("một hai ba bốn năm sáu bảy tám chín mười", "_ _ _ tư lăm"),
    more="mươi mốt trăm linh lẻ",
)
THAI = "(?:หนึ่ง|สอง|สาม|สี่|ห้า|หก|เจ็ด|แปด|เก้า|สิบ|ยี่|เอ็ด){1,4}"
_KOREAN_ROWS = ("첫째 둘째 셋째 넷째 다섯째 여섯째 일곱째 여덟째", "첫 두 세 네 다섯 여섯 일곱")

_JOINED = r"[ -](?:(?:and|y|e|et|i|a|og|och|ja)[ -])?"
ARTICLE = r"(?:(?:the|le|la|il|lo|el|o|a|al|das|die|der|thứ)\s+)?"


def _spelled(words: str, endings: str, keep: bool = False) -> list[str]:
    """A pattern for each word of a row, in order."""
    plain = words.lower() if keep else fold(words)
    ends = f"(?:{endings if keep else fold(endings)})"
    return [word.replace("+", ends) for word in plain.split()]


def _any(words: list[str]) -> str:
    return "|".join(sorted({word for word in words if word != "_"}, key=len, reverse=True))


def _number(language: Language, rows: tuple[str, ...], last: str, keep: bool) -> str:
    """A pattern of numbers in words whose last word is of `rows` or `last`."""
    spelled = [_spelled(row, language.endings, keep) for row in (*rows, last)]
    parts = (*language.rows, *language.ordinals, language.tens, language.more)
    all_parts = [_spelled(row, language.endings, keep) for row in parts]
    ending, part = (_any([w for row in found for w in row]) for found in (spelled, all_parts))
    glued = f"|{language.glued}" if language.glued else ""
    return rf"(?:(?:{part}){_JOINED}){{0,4}}(?:{ending}{glued})(?: et une?)?(?!\w)"


def word_first(language: Language, keep: bool = False) -> tuple[str, str]:
    """(pattern of the words for chapters, pattern of what number may follow them)."""
    rows = (*language.rows, *language.ordinals, language.ordinal_tens, language.more)
    number = _number(language, rows, language.tens, keep)
    return _any(_spelled(language.words, "", keep)), ARTICLE + number


def word_last(language: Language) -> tuple[str, str]:
    """(pattern of ordinals, pattern of the words for chapters that follow them)."""
    words = language.words if language is not LANGUAGES[0] else "chapter"
    return _number(language, language.ordinals, language.ordinal_tens, False), _any(
        _spelled(words, "")
    )


def _values() -> dict[str, int]:
    found: dict[str, int] = {}
    for language in LANGUAGES:
        ends = [fold(end) for end in language.endings.split("|")]
        for row, step in [(r, 1) for r in (*language.rows, *language.ordinals)] + [
            (language.tens, 10),
            (language.ordinal_tens, 10),
        ]:
            for place, word in enumerate(fold(row).split(), 1):
                for end in ends if word.endswith("+") else [""]:
                    found.setdefault(word.removesuffix("+") + end, place * step)
    for row in _KOREAN_ROWS:
        found |= {word: place for place, word in enumerate(row.split(), 1)}
    found.pop("_", None)
    return found


_VALUES = _values()


def value_of_words(words: str) -> int:
    """What a number in folded words, or a Roman or other numeral, says; 0 where it isn't known."""
    if words.isdecimal() or re.fullmatch(REAL_ROMAN, words):
        return value(words)
    parts = [_VALUES.get(word, 0) for word in re.split(r"[\s-]+", words) if word != "the"]
    if len(parts) == 2 and not (parts[0] >= 10 and parts[0] % 10 == 0 and 0 < parts[1] < 10):
        return 0
    return sum(parts) if parts and all(parts) and len(parts) <= 2 else 0
