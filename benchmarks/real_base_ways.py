"""The ways to train that real_base.py compares, their settings, and what each costs."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass

BUDGETS = (0.2, 0.1, 0.05)  # the largest first: its scales bound those of the others
MLP = "[gate_proj, up_proj, down_proj]"
KINDS: dict[str, tuple[str, ...]] = {
    "base": (),
    "budget": (),
    "ninth": ("anchor_ratio=0.1112",),
    "rows": ("kl_rows=0.25",),
    "masked": ("kl_mask_target=on",),
    "mlp": (f"lora_target_modules={MLP}",),
    "anchor": ("kl_mode=anchor",),
    "budget4": (),
    "anchor4": ("kl_mode=anchor",),
    "sft": ("kl_mode=anchor", "anchor=off"),
    "replay": ("kl_mode=anchor", "anchor=off"),
    "dera": (),
}
BUDGETED = ("budget", "budget4", "ninth", "rows", "masked", "mlp")
# What KL on anchor text weighs in the loss, where it isn't what every run has.
ANCHOR_WEIGHTS = {"budget4": 4.0, "anchor4": 4.0}
ORDER = (
    *("base", "budget-0.1", "anchor", "sft", "dera", "replay", "rows-0.1", "masked-0.1"),
    *("mlp-0.1", "ninth-0.1", "budget-0.2", "budget-0.05", "rows-0.2", "masked-0.2"),
    *("rows-0.05", "masked-0.05"),
)
# Passes over a token of style text that an update makes: forward 1, backward 2, the base's 1 where
# KL is read; anchor rows are a quarter of the style rows and always take all four.
PASSES = {
    "budget": 5, "ninth": 4.5, "rows": 4.25, "masked": 5, "mlp": 5, "anchor": 4, "sft": 3,
    "replay": 3.75, "budget4": 5, "anchor4": 4,
}  # fmt: skip


@dataclass(frozen=True)
class Way:
    """A way to train, on a style, with a seed; `budget` None for one that is scaled to all."""

    kind: str
    budget: float | None
    style: str
    seed: int

    @classmethod
    def named(cls, name: str, style: str, seed: int) -> Way:
        kind, dash, budget = name.partition("-")
        if kind not in KINDS or (kind in BUDGETED) != bool(dash):
            sys.exit(f"--way {name}: one of {', '.join(ORDER)}")
        return cls(kind, float(budget) if dash else None, style, seed)

    def __str__(self) -> str:
        return f"{self.style}/{self.name}-seed{self.seed}"

    @property
    def name(self) -> str:
        return self.kind if self.budget is None else f"{self.kind}-{self.budget:g}"

    @property
    def trained_as(self) -> Way:
        """The way whose adapter this one reads."""
        return dataclasses.replace(self, kind="sft") if self.kind == "dera" else self

    @property
    def strengths(self) -> tuple[float, ...]:
        """KL at which it is read: the strongest budget is dialled to the others too."""
        if self.kind == "base":
            return (0.0,)
        return BUDGETS if self.budget in (None, BUDGETS[0]) else (self.budget,)
