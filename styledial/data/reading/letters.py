"""How likely a text is in each language: costs of its letters in bits.

    cost(text) = sum over its characters of -log2 P(character | the one before, language)

An encoding is a way to read the same bytes, so of two readings the one that costs fewer bits is
the likelier one: whether ``cf f0 e8`` is ``При`` or ``Ïðè`` is decided by how often Russian and
Icelandic write these letters one after the other. The frequencies (assets/letters.json) were
counted by scripts/letter_table.py.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from math import inf
from pathlib import Path

import numpy as np

from styledial.data.reading import unit_tables
from styledial.data.reading.unit_tables import FOREIGN_LETTER, SCRIPTS
from styledial.files import read_json

TABLE = Path(__file__).resolve().parents[2] / "assets" / "letters.json"
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

# Costs in bits beside those of unit_tables.
_OTHER_SCRIPT = 20.0
_LOAN = 7.0
_SHORT = 10.0  # a few letters may be rarer than many can be
_STRANGE_CASE = 9.0  # a capital inside a word
_LOOSE = "șțȘȚ"
SAME = str.maketrans(_LOOSE, "şţŞŢ")  # Romanian is written with either; old encodings have one


@dataclass(frozen=True)
class Likelihood:
    """What a text costs in its best language: bits over all of it, and a mean per foreign letter.

    `foreign` counts letters outside ASCII; `mean` is the cost of these and of what follows them.
    """

    language: str
    bits: float
    mean: float
    foreign: int

    @property
    def plausible(self) -> bool:
        """Whether this is text of that language at all, not merely nearer to it than to others."""
        slack = _SHORT / self.foreign**0.5 if self.foreign else 0.0
        return not self.foreign or self.mean < _model(self.language).limit + slack


def fold(text: str) -> str:
    """Lower case, one code unit each, with the two Romanian cedillas as one."""
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text.translate(SAME))


def likelihood(text: str, language: str) -> Likelihood:
    """What `text` costs in one language."""
    return _model(language).judge(_Units(text))


def best(text: str, most: float = inf) -> Likelihood | None:
    """The likeliest language of those whose script it may be; None for text without any letter
    known here. Where that costs more than `most` bits for certain, a lower bound without a name."""
    units = _Units(text)
    if not units.codes.size:
        return None
    scripts = np.bincount(unit_tables.scripts()[units.codes], minlength=len(SCRIPTS)).tolist()
    letters = sum(scripts[1:]) or 1
    models = []
    for name in _tables():
        share = sum(scripts[s] for s in _scripts_of(name)) / letters
        if share > 0.2 or (letters == 1 and name == "en"):
            models.append(_model(name))
    if most < inf and models and not any(model.ideographic for model in models):
        floor = float(_least_costs()[units.codes].sum() + units.case.sum())
        if floor > most:
            return Likelihood("", floor, 0.0, units.foreign)
    found = [model.judge(units) for model in models]
    return min(found, key=lambda one: one.bits, default=None)


class _Units:
    """UTF-16 units of a text, and what every language asks of them, worked out once.

    `codes`: of the composed form (cp1258 writes Vietnamese with loose accents). `outside`: which
    are letters outside ASCII or lost; `beside`: these and what follows them; `case`: bits each.
    """

    def __init__(self, text: str) -> None:
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
            if any(letter in text for letter in _LOOSE):  # translating takes long
                text = text.translate(SAME)
        self.codes = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), dtype="<u2")
        self.outside = unit_tables.letters()[self.codes] & (self.codes > 0x7F) | (
            self.codes == 0xFFFD
        )
        self.foreign = int(self.outside.sum())

    @cached_property
    def beside(self) -> np.ndarray:
        beside = self.outside.copy()
        beside[1:] |= self.outside[:-1]
        return beside

    @cached_property
    def case(self) -> np.ndarray:
        return _case_costs(self.codes)


class _Model:
    """One language's costs, ready for arrays of UTF-16 units."""

    def __init__(self, name: str, table: dict[str, object]) -> None:
        self.name = name
        self.ideographic = "characters" in table
        self.scripts = _scripts_of(name)
        if self.ideographic:
            self._take_characters(table["characters"])
            self.limit = 12.6
        else:
            self._take_pairs(table["letters"], table["bits"])
            self.limit = 8.2

    def _take_characters(self, by_cost: object) -> None:
        assert isinstance(by_cost, dict)
        self.cost = unit_tables.other_costs().copy()
        kana = 15.0 if self.name == "zh" else 14.0
        self.cost[0x3041:0x3100] = kana
        self.cost[0x3400:0xA000] = self.cost[0xAC00:0xD7A4] = 17.0
        self.cost[0xFF61:0xFFA0] = 14.0
        if self.name == "ja":
            self.cost[_only_chinese()] = 23.0
        for digit, characters in by_cost.items():
            self.cost[[ord(c) for c in characters]] = DIGITS.index(digit)

    def _take_pairs(self, letters: object, rows: object) -> None:
        assert isinstance(letters, str)
        assert isinstance(rows, list)
        count = len(letters)
        self.place = np.where(unit_tables.letters(), count + 1, 0).astype(np.uint8)
        for number, letter in enumerate(letters, 1):
            for form in {letter, letter.upper(), *(_VARIANTS.get(letter, ""))}:
                if len(form) == 1:
                    self.place[ord(form)] = number
        self.pairs = np.full((count + 2, count + 2), FOREIGN_LETTER)
        self.pairs[: count + 1, : count + 1] = [[DIGITS.index(d) for d in row] for row in rows]
        self.pairs[count + 1, : count + 1] = self.pairs[0, : count + 1]
        self.pairs[:, count + 1] = 0.0  # the letter's own cost is in `cost`
        self.pairs[0, 0] = 2.0
        costs = unit_tables.other_costs().copy()
        abroad = ~np.isin(unit_tables.scripts(), [0, SCRIPTS.index("latin"), *self.scripts])
        costs[abroad] = _OTHER_SCRIPT
        if self.name == "en":  # loan words: naïve, café
            costs[[ord(c) for c in "àâäæçèéêëíîïñóôöúûüÉÈÀÖÜ"]] -= _LOAN
        self.cost = np.where(self.place == count + 1, costs, 0.0)
        self.cost = np.where(unit_tables.letters(), self.cost, unit_tables.other_costs())

    def least(self) -> np.ndarray:
        """What each unit costs at least, whatever stands before it."""
        return self.cost + self.pairs.min(axis=0)[self.place]

    def judge(self, units: _Units) -> Likelihood:
        costs = self.cost[units.codes]
        if not self.ideographic:
            place = self.place[units.codes]
            before = np.concatenate(([0], place[:-1]))
            costs = costs + self.pairs[before, place] + units.case
        near = units.outside if self.ideographic else units.beside
        mean = float(costs[near].mean()) if units.foreign else 0.0
        return Likelihood(self.name, float(costs.sum()), mean, units.foreign)


_VARIANTS = {"ı": "I", "i": "Iİ", "σ": "ς"}
_WRITTEN_IN = {
    "ru": ("cyrillic",), "uk": ("cyrillic",), "bg": ("cyrillic",), "sr": ("cyrillic",),
    "el": ("greek",), "he": ("hebrew",), "ar": ("arabic",), "th": ("thai",),
    "zh": ("han",), "ja": ("han", "kana"), "ko": ("hangul",),
}  # fmt: skip


@cache
def _scripts_of(name: str) -> set[int]:
    return {SCRIPTS.index(script) for script in _WRITTEN_IN.get(name, ("latin",))}


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, object]]:
    tables: dict[str, dict[str, object]] = read_json(TABLE)
    return tables


@cache
def _model(name: str) -> _Model:
    return _Model(name, _tables()[name])


@lru_cache(maxsize=1)
def _least_costs() -> np.ndarray:
    """What each unit costs at least in any language that is written with letters."""
    models = map(_model, _tables())
    return np.minimum.reduce([model.least() for model in models if not model.ideographic])


def _case_costs(units: np.ndarray) -> np.ndarray:
    """A capital after a small letter, or two capitals before one: seldom in a right reading."""
    case = unit_tables.cases()[units]
    costs = np.zeros(len(units))
    upper, lower = case == 1, case == 2
    costs[1:] += _STRANGE_CASE * (lower[:-1] & upper[1:])
    costs[1:-1] += _STRANGE_CASE * (lower[:-2] & upper[1:-1] & (case[2:] == 0))  # απΆ is απ’
    costs[2:] += _STRANGE_CASE * (upper[:-2] & upper[1:-1] & lower[2:])
    marks = unit_tables.strange_places()[units[1:-1]]
    opening = (units[:-2] <= 0x20) & lower[2:] & (marks & 1 > 0)
    inside = lower[:-2] & lower[2:] & (marks & 2 > 0)
    costs[2:] += _STRANGE_CASE * (opening | inside)
    return costs


def _only_chinese() -> list[int]:
    """Characters that no Japanese encoding has: the simplified ones."""
    return [c for c in range(0x4E00, 0x9FB0) if not chr(c).encode("cp932", "ignore")]
