"""NLL and KL as metrics, on held-out text of the novels and on general text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from styledial.evaluation.result import Result, of_sums, ratio
from styledial.training.measure import Distance

NATS = "nats per token"
BITS = "bits per character"


@dataclass(frozen=True)
class StyleText:
    """kl, style_nll, style_nll_gain, style_bits_per_character: on held-out text of the novels.

    kl is docs/kl_beta.md's: mean over tokens of KL(tuned || base) over the full vocabulary.
    style_nll_gain = NLL(base) - NLL(tuned); above 0 is better. `read` gives rows' sums as
    read_rows does and `characters` how many characters each of them holds; intervals are over
    rows. Bits per character don't depend on how a tokenizer cuts the text.
    """

    read: Callable[[], np.ndarray]
    characters: Callable[[], np.ndarray]

    def run(self) -> Iterator[Result]:
        """kl, style_nll and style_nll_gain in nats per token, and NLL in bits per character."""
        sums = self.read()
        at = Distance.of(sums)
        yield Result("kl", *of_sums(sums, kl_of), NATS, 0.0)
        yield Result("style_nll", *of_sums(sums, ratio), NATS, at.nll_base)
        yield Result(
            "style_nll_gain", *of_sums(sums, lambda s: (s[:, 1] - s[:, 0]) / s[:, 3]), NATS, 0.0
        )
        characters = self.characters()
        base = bits_per_character(float(sums[:, 1].sum()), int(characters.sum()))
        if base is not None:  # the base's tokens may all be unknown ones, which hold no text
            bits = np.stack([sums[:, 0] / math.log(2), characters], axis=1)
            yield Result("style_bits_per_character", *of_sums(bits, ratio), BITS, base)


@dataclass(frozen=True)
class GeneralText:
    """general_nll, general_kl: what has changed on general text (data.general).

    Forgetting is general_nll above its base; KL as on the style text. Intervals over rows.
    """

    read: Callable[[], np.ndarray]

    def run(self) -> Iterator[Result]:
        """general_nll and general_kl, in nats per token."""
        sums = self.read()
        at = Distance.of(sums)
        yield Result("general_nll", *of_sums(sums, ratio), NATS, at.nll_base)
        yield Result("general_kl", *of_sums(sums, kl_of), NATS, 0.0)


def bits_per_character(nats: float, characters: int) -> float | None:
    """A sum of NLL over the characters it predicts; None where there are none."""
    return nats / math.log(2) / characters if characters else None


def kl_of(sums: np.ndarray) -> np.ndarray:
    """Mean KL per token of column sums [R, 4] as read_rows gives them."""
    return sums[:, 2] / np.maximum(sums[:, 3], 1)
