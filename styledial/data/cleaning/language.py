"""The language of a book, which decides how its lines are joined and its typography is treated.

    letters by script -> the script of the book -> its language, by common words where several
                                                   languages share the script

Only what is known is acted upon: a book in no known language keeps every mark that it has.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

UNKNOWN = "und"
_SAMPLE = 12_000  # characters looked at; stop words settle on far fewer

_MARKUP = re.compile(r"<[^<>]*>|&#?\w+;|https?://[\w./?=&%-]+")
HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SCRIPTS = {
    "Latin": "A-Za-z\u00c0-\u024f\u1e00-\u1eff",
    "Cyrillic": "\u0400-\u052f",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Arabic": "\u0620-\u06ff\u0750-\u077f",
    "Hebrew": "\u05d0-\u05ea",
    "Hangul": "\uac00-\ud7a3\u1100-\u11ff",
    "Kana": "\u3041-\u30fa",
    "Han": HAN,
    "Thai": "\u0e01-\u0e5b",
    "Lao": "\u0e81-\u0edf",
    "Khmer": "\u1780-\u17b3",
    "Myanmar": "\u1000-\u104f",
    "Devanagari": "\u0900-\u097f",
}
_LETTERS = {name: re.compile(f"[{letters}]") for name, letters in _SCRIPTS.items()}
_ONE_LANGUAGE = {
    "Greek": "el", "Hebrew": "he", "Hangul": "ko", "Kana": "ja", "Han": "zh", "Thai": "th",
    "Lao": "lo", "Khmer": "km", "Myanmar": "my",
}  # fmt: skip
# A character of these takes two columns on a terminal.
_WIDE = {"Han", "Kana", "Hangul"}
_UNSPACED = {"Han", "Kana", "Thai", "Lao", "Khmer", "Myanmar"}
# The most common words that a language shares with few of its neighbours.
_WORDS = {
    "Latin": {
        "en": "the and of to was that his with had for you she not but from they have were",
        "fr": "le les des et est une que dans qui il elle pas pour sur avec était cette vous",
        "de": "der die und das nicht ein ist er sie mit den war ich auf dem auch als sich",
        "es": "el los las que una con por no del se su como más pero había para está muy",
        "it": "il che di non una per gli della con era si più come ma anche sono aveva nel",
        "pt": "que não uma com os do da em para um como mais ele ela você estava seu isso",
        "nl": "het een van dat niet zijn hij met voor aan maar ook was naar zij ik op er",
        "pl": "nie się na że jest do jak był ale tak jego już przez było tylko co ich tym",
        "cs": "se že na je byl jako ale jsem jeho když tak nebo už jsou bylo který už si",
        "hu": "hogy nem egy és az volt de csak még mint meg már van ez vagy azt mert ki",
        "tr": "bir ve bu için değil daha gibi çok ne sonra kadar onun olan diye vardı ama",
        "vi": "không một của là người và có những trong đã cho hắn được ông tôi với này khi",
        "sv": "och att det som en inte han på är var jag med för hon sig den till hade",
        "fi": "ja ei on hän oli että se kun niin mutta kuin joka ne hänen olen mitä nyt vain",
        "ro": "și nu este că în pe care mai cu din lui era fost dar după când sunt pentru",
        "id": "yang dan di itu tidak dengan untuk dari ini dia ada akan pada adalah mereka",
    },
    "Cyrillic": {
        "ru": "и не что он на как его она было но это из все был так ещё они ты мне",
        "uk": "і не що він на як його вона було але це та й був ще вони від мені",
        "bg": "и не че той на как го тя беше но това от се са съм ще им ми",
    },
}
_COMMON = {
    script: {code: frozenset(words.split()) for code, words in languages.items()}
    for script, languages in _WORDS.items()
}


class Language(NamedTuple):
    """`code` as in ISO 639-1 (`und`: unknown) and the script that most letters are of.

    `spaced`: words are parted by spaces, so two joined lines are too. `wide`: a character takes
    two columns.
    """

    code: str = UNKNOWN
    script: str = UNKNOWN
    spaced: bool = True
    wide: bool = False

    @property
    def chinese(self) -> bool:
        """Whether Chinese typography applies."""
        return self.code == "zh"


CHINESE = Language("zh", "Han", spaced=False, wide=True)


def find_language(texts: Iterable[str]) -> Language:
    """The language of most of the text; what has no letters is unknown."""
    sample = _sample(texts)
    counts = {name: len(letters.findall(sample)) for name, letters in _LETTERS.items()}
    script = _script(counts)
    if script == UNKNOWN:
        return Language()
    code = _ONE_LANGUAGE.get(script) or _by_words(script, sample)
    return Language(code, script, script not in _UNSPACED, script in _WIDE)


def _sample(texts: Iterable[str]) -> str:
    """The first lines up to a size, without tags, entities and addresses."""
    taken: list[str] = []
    size = 0
    for text in texts:
        taken.append(_MARKUP.sub(" ", text[:2000]))
        size += len(taken[-1])
        if size >= _SAMPLE:
            break
    return "\n".join(taken)


def _script(counts: dict[str, int]) -> str:
    """The script of the text. A Han character says as much as three Latin letters."""
    kana, han = counts["Kana"], counts["Han"]
    if not any(counts.values()):
        return UNKNOWN
    # Japanese has kana in every sentence; Chinese has at most a stray one.
    if kana > 0.15 * (kana + han):
        counts = {**counts, "Kana": kana + han, "Han": 0}
    weights = {name: n * (3 if name in _WIDE else 1) for name, n in counts.items()}
    best = max(weights, key=lambda name: weights[name])
    return best if weights[best] >= 0.4 * sum(weights.values()) else UNKNOWN


def _by_words(script: str, sample: str) -> str:
    """The language whose common words the text has most of; unknown where it has few of any."""
    languages = _COMMON.get(script)
    if not languages:
        return UNKNOWN
    words = Counter(re.findall(r"\w+", sample.lower()))
    total = words.total()
    found = {code: sum(words[w] for w in common) for code, common in languages.items()}
    best = max(found, key=lambda code: found[code])
    return best if total and found[best] >= 0.08 * total else UNKNOWN
