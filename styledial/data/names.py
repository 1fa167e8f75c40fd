"""Names that are a book's own: people and places that it writes of and general text doesn't.

A name is found by how it is used, without a list of names or a tagger:

    frequent    it occurs often enough in the book to be judged
    bursty      it comes in clusters, with the scenes of its bearer, and not evenly as words do
    its own     general text hardly has it
    a word      English: capitalised within sentences, and hardly ever in lower case
                Chinese, which has no spaces: its characters stick together, and what stands on
                either side varies; it opens clauses, and nothing like 那 or 一个 stands before it

Bursts (Church and Gale 1995, Poisson mixtures): a word of n occurrences spread at random over S
segments is in about S (1 - exp(-n / S)) of them; burst is that over the segments it is in.

Not found: names too rare to be judged, names that are everyday words, and names in scripts other
than Chinese without upper and lower case. Titles used as names (提辖) may be found too.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from styledial.data.cleaning.language import HAN

_HAN = re.compile(f"[{HAN}]+")
_KANA = re.compile("[\u3041-\u30fa]")
_WORD = re.compile(r"[^\W\d_]+")
_SEGMENTS, _SCENE = 200, 300  # that burst is counted over; none shorter than so many characters
_LEAST, _EVERY = 20, 30_000  # occurrences: one every 30,000 characters, at most 20
_RARE = 20  # times as frequent in the book as in general text
_CHINESE_BURST, _ENGLISH_BURST = 1.3, 1.02
_STICK = 0.43  # of the most that the parts of a Chinese name can have in common; 0 for chance
_NEIGHBOUR = 0.4  # of a Chinese name's occurrences that one and the same character may adjoin
_OPENS = 0.4  # of a person's occurrences that open a clause
_DETERMINED = 0.08  # of the occurrences that a determiner may precede
_DETERMINERS = frozenset("这那個个一二两三四五六七八九十几数众诸各某此何每位些名的")
_PLACES = frozenset("州县府山寨岭关城庄镇岗冈泊潭滩村岛江湖河谷宫寺观")
_NOUNS = 0.15  # capitalised within sentences: above it the language capitalises nouns (German)


def find_names(books: Iterable[str], general: str) -> frozenset[str]:
    """The names of each book, together; `general` is text of others, the more the better.

    Takes some 3 s for each million characters on one core.
    """
    found: set[str] = set()
    for text in books:
        found |= _cased(text, general)
        if len(_KANA.findall(text[:20_000])) < 200:  # Japanese has Chinese characters too
            found |= _chinese(text, general)
    return frozenset(found)


def matcher(names: Iterable[str]) -> re.Pattern[str] | None:
    """Finds any of the names, the longest where several begin; None where there are none."""
    longest_first = sorted(names, key=len, reverse=True)
    whole = [re.escape(n) if _HAN.match(n) else rf"\b{re.escape(n)}\b" for n in longest_first]
    return re.compile("|".join(whole)) if whole else None


@dataclass
class _Seen:
    """Where a candidate stands: how often, in which segments, beside what ("" at an edge)."""

    count: int = 0
    segments: set[int] = field(default_factory=set)
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)

    def add(self, segment: int, before: str, after: str) -> None:
        self.count += 1
        self.segments.add(segment)
        self.before[before] += 1
        self.after[after] += 1

    def burst(self, size: int) -> float:
        """In a book of `size` characters."""
        segments = size / _segment(size)
        return segments * (1 - math.exp(-self.count / segments)) / len(self.segments)

    def own(self, name: str, size: int, general: str) -> bool:
        """Whether general text has it far more rarely than a book of `size` characters."""
        return general.count(name) * size * _RARE <= self.count * len(general)


def _segment(size: int) -> float:
    return max(size / _SEGMENTS, _SCENE)


def _least(text: str) -> int:
    return max(5, min(_LEAST, len(text) // _EVERY))


def _cased(text: str, general: str) -> set[str]:
    """Names in scripts with upper and lower case, each a word."""
    lower, within, seen = Counter[str](), Counter[str](), defaultdict[str, _Seen](_Seen)
    size = _segment(len(text))
    for match in _WORD.finditer(text):
        word = match.group()
        if word[0].islower():
            lower[word] += 1
        elif len(word) > 1 and word[1:].islower():
            seen[word].add(int(match.start() / size), "", "")
            before = text[max(match.start() - 3, 0) : match.start()]
            within[word] += bool(re.search(r"[^\W\d_A-Z]['’]?[ ,;\n]+$", before))
    if within.total() > _NOUNS * (lower.total() + within.total()):
        return set()
    return {
        word
        for word, found in seen.items()
        if found.count >= min(_least(text), 5)  # case alone says much
        and within[word] >= 3
        and lower[word.lower()] <= 0.1 * found.count
        and found.burst(len(text)) >= _ENGLISH_BURST
        and found.own(word, len(text), general)
    }


def _chinese(text: str, general: str) -> set[str]:
    """Names of two to four Chinese characters."""
    runs = [(match.start(), match.group()) for match in _HAN.finditer(text)]
    counts = _frequent(runs, _least(text))
    seen = _contexts(runs, counts, _segment(len(text)))
    total = sum(len(run) for _, run in runs)
    found = {
        name: each.count
        for name, each in seen.items()
        if each.burst(len(text)) >= _CHINESE_BURST
        and _used_as_name(name, each)
        and _stick(name, counts, total) >= _STICK
        and each.own(name, len(text), general)
    }
    return {name for name in found if not _only_extends(name, found)}


def _frequent(runs: list[tuple[int, str]], least: int) -> Counter[str]:
    """Character sequences that occur often; a longer one only where both its parts do."""
    kept = Counter(char for _, run in runs for char in run)
    for size in (2, 3, 4):
        found: Counter[str] = Counter()
        for _, run in runs:
            for i in range(len(run) - size + 1):
                part = run[i : i + size]
                if size == 2 or (part[:-1] in kept and part[1:] in kept):
                    found[part] += 1
        kept.update({part: count for part, count in found.items() if count >= least})
    return kept


def _contexts(
    runs: list[tuple[int, str]], counts: Counter[str], segment: float
) -> dict[str, _Seen]:
    seen: dict[str, _Seen] = defaultdict(_Seen)
    for start, run in runs:
        for i in range(len(run)):
            for end in range(i + 2, min(i + 4, len(run)) + 1):
                part = run[i:end]
                if part not in counts:
                    break
                before = run[i - 1] if i else ""
                seen[part].add(int((start + i) / segment), before, run[end : end + 1])
    return seen


def _used_as_name(name: str, seen: _Seen) -> bool:
    """By what stands beside it; a place need not open clauses, but has to end as one."""
    if name[0] in _DETERMINERS:
        return False
    if sum(seen.before[char] for char in _DETERMINERS) > _DETERMINED * seen.count:
        return False
    for side in (seen.before, seen.after):
        if max((n for char, n in side.items() if char), default=0) > _NEIGHBOUR * seen.count:
            return False
    return name[-1] in _PLACES or seen.before[""] >= _OPENS * seen.count


def _stick(name: str, counts: Counter[str], total: int) -> float:
    """Normalised pointwise mutual information (Bouma 2009) of its two parts, the least of all
    cuts: 1 where neither occurs without the other."""
    together = math.log(total / counts[name])
    return min(
        math.log(counts[name] * total / (counts[name[:cut]] * counts[name[cut:]])) / together
        for cut in range(1, len(name))
    )


def _only_extends(name: str, found: dict[str, int]) -> bool:
    """Whether it is another name and a word: 宋江等."""
    inner = {name[a:b] for a in range(len(name)) for b in range(a + 2, len(name) + 1)} - {name}
    return any(found[name] < 0.3 * found[part] for part in inner & found.keys())
