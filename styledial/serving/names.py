"""Model names with a strength in them: style@0.08, style@light, style@base, style.

A request's name becomes the scale of the LoRA, which llama.cpp's server takes with each request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from styledial.dial import DialPoint, rising_part
from styledial.errors import UserError
from styledial.inference.strengths import parse_kl, scale_at
from styledial.strength import NAMED

BASE = "base"


@dataclass(frozen=True)
class Names:
    """The names that are served: `name` alone is the adapter as it was trained."""

    name: str
    points: Sequence[DialPoint]

    def listed(self) -> list[str]:
        """Those to choose from; any number within reach is taken too."""
        most = rising_part(self.points)[-1].kl if self.points else 0.0
        named = [f"{self.name}@{word}" for word, kl in NAMED.items() if kl <= most]
        return [self.name, *named, f"{self.name}@{BASE}"]

    def scale_of(self, model: str) -> float:
        """The LoRA's scale for a model's name; raises UserError for one that isn't served."""
        if model == self.name:
            return 1.0
        name, _, strength = model.rpartition("@")  # a folder's name may have an @ in it
        if name != self.name:
            raise self._unknown(model)
        if strength == BASE:
            return 0.0
        try:
            kl = parse_kl("model", strength)
        except UserError:
            raise self._unknown(model) from None
        if kl == 0:
            return 0.0
        if not self.points:
            raise self._unknown(model)
        return scale_at(self.points, kl)

    def _unknown(self, model: str) -> UserError:
        listed = ", ".join(self.listed())
        return UserError(
            f"model {model[:80]}: is not served. There are {listed}, and {self.name}@KL for any "
            "strength within reach.",
            f"模型 {model[:80]}：不存在。可用 {listed}，或 {self.name}@KL（范围内的任意强度）。",
        )
