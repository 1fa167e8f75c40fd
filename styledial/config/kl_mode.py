"""What a kl_mode means, in one place.

          kl_beta is        lambda           KL in training, on     adapter scaled at the end
                                             novels    anchor
budget    the KL to reach   a controller's   yes       yes          yes, to meet it
penalty   lambda itself     fixed            yes       yes          no
anchor    the KL to reach   0                no        yes          yes, to meet it
off       without effect    0                no        no           no

auto, the default, is anchor, and budget where anchor has nothing to work with: all weights are
tuned, so that no adapter can be scaled, or there is no anchor text.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

AUTO = "auto"


class KLMode(str, Enum):
    """`training.kl_mode`."""

    BUDGET = "budget"
    PENALTY = "penalty"
    ANCHOR = "anchor"
    OFF = "off"

    @classmethod
    def of_summary(cls, summary: Mapping[str, Any]) -> KLMode:
        """That of a run's summary.json, which may be from an early version or anyone's hand."""
        written = summary.get("kl_mode", cls.BUDGET)
        return cls(written) if written in list(cls) else cls.OFF

    @classmethod
    def of_setting(cls, written: str, *, adapter: bool, anchor: bool) -> KLMode:
        """That of `training.kl_mode`; for `auto`, `adapter` says whether an adapter is trained and
        `anchor` whether there is anchor text."""
        if written != AUTO:
            return cls(written)
        return cls.ANCHOR if adapter and anchor else cls.BUDGET

    @property
    def has_target(self) -> bool:
        """Whether there is a KL to reach."""
        return self in (KLMode.BUDGET, KLMode.ANCHOR)

    @property
    def has_controller(self) -> bool:
        """Whether lambda is moved during training, so that the KL comes near its target."""
        return self is KLMode.BUDGET

    @property
    def reads_kl(self) -> bool:
        """Whether training runs the base over the novels, beside the policy."""
        return self in (KLMode.BUDGET, KLMode.PENALTY)

    @property
    def has_anchor(self) -> bool:
        """Whether updates may hold anchor text, over which the base is run too."""
        return self is not KLMode.OFF

    def target(self, kl_beta: float) -> float | None:
        """The KL to reach, nats per token; None without one."""
        return kl_beta if self.has_target else None

    def fixed_lambda(self, kl_beta: float) -> float:
        """Lambda where nothing moves it."""
        return kl_beta if self is KLMode.PENALTY else 0.0
