"""A model without the layers that others can stand for, so that a plan runs its step on a few.

    layers 0 1 2 3 ... 47 -> 0 1 2 3 46 47     of 48 alike: layer 2 stands for 42 more

Layers are alike that have the same modules, weights and settings; they repeat with some period, 1
where all are alike, 2 where they alternate. repeat.py puts their events back.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from styledial.models.text_part import text_backbone

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from styledial.models.policy import Policy

_NUMBERS = {"layer_idx", "layer_number"}  # which layer it is: alike all the same


class Repeat(NamedTuple):
    """Layers `first` to `first` + `period` stand for `times` more of their kind behind them."""

    first: int
    period: int
    times: int

    @property
    def check(self) -> int:
        """First layer of the period behind, which has to have the same events."""
        return self.first + self.period

    @property
    def left_out(self) -> int:
        """Layers that aren't there."""
        return self.period * self.times


def shorten(model: PreTrainedModel) -> Repeat | None:
    """Take out layers that others can stand for, also in the model's configuration; None, and
    nothing taken, where there are none."""
    repeat = find_repeat([_kind(layer) for layer in _layers(model) or ()])
    if repeat:
        _take_out(model, repeat)
    return repeat


def layers_of(policy: Policy) -> Iterator[tuple[int, nn.Module]]:
    """(number, layer) of the model, and of the frozen copy that full tuning keeps beside it."""
    for model in (policy.causal_lm, policy.frozen_copy):
        if model is not None:
            yield from enumerate(_layers(model) or ())


def find_repeat(kinds: Sequence[Hashable]) -> Repeat | None:
    """The period under which most of the layers can be left out; None where none can.

    Kept are the period and the next, and in front of and behind them a period, or two layers where
    it is one: the first and the last layer of a model have other neighbours than those between.
    """
    best = None
    for period in range(1, len(kinds) // 5 + 1):
        start, stop = _longest(kinds, period)
        around = max(period, 2)
        times = (stop - start - 2 * around) // period - 2
        if times > 0 and (best is None or times * period > best.left_out):
            best = Repeat(start + around, period, times)
    return best


def _longest(kinds: Sequence[Hashable], period: int) -> tuple[int, int]:
    """The longest stretch [start, stop) in which each layer is of the kind of that a period on."""
    best, start = (0, 0), 0
    for i in range(len(kinds)):
        if i + period >= len(kinds) or kinds[i] != kinds[i + period]:
            stop = min(i + period, len(kinds))
            best = max(best, (start, stop), key=lambda found: found[1] - found[0])
            start = i + 1
    return best


def _layers(model: Any) -> nn.ModuleList | None:
    """The layers of its backbone; None where it isn't plain which they are."""
    backbone = text_backbone(model)
    count = getattr(backbone.config.get_text_config(), "num_hidden_layers", None)
    found = [m for m in backbone.children() if isinstance(m, nn.ModuleList) and len(m) == count]
    return found[0] if len(found) == 1 else None


def _kind(layer: nn.Module) -> Hashable:
    """Equal for layers of the same modules, weights and settings."""
    return tuple(
        (name, type(module), *_plain(vars(module)), *_shapes(module))
        for name, module in layer.named_modules()
    )


def _plain(values: dict[str, Any]) -> Iterator[str]:
    """Settings among a module's attributes; texts in containers name the layer, as PEFT's do."""
    for name, value in values.items():
        if name.startswith("_") or name in _NUMBERS:
            continue
        held = value.values() if isinstance(value, dict) else value
        many = isinstance(value, dict | list | tuple)
        if isinstance(value, str | int | float) or (
            many and all(isinstance(one, int | float) for one in held)
        ):
            yield f"{name}={value!r}"


def _shapes(module: nn.Module) -> Iterator[Hashable]:
    for name, tensor in (*module._parameters.items(), *module._buffers.items()):
        if tensor is not None:
            yield name, tuple(tensor.shape), tensor.dtype, tensor.requires_grad


def _take_out(model: Any, repeat: Repeat) -> None:
    layers = _layers(model)
    assert layers is not None
    count = len(layers)
    kept = [i for i in range(count) if not 0 <= i - repeat.check < repeat.left_out]
    backbone = text_backbone(model)
    (name,) = (name for name, module in backbone.named_children() if module is layers)
    setattr(backbone, name, nn.ModuleList([layers[i] for i in kept]))
    config = backbone.config.get_text_config()
    for key, value in list(vars(config).items()):
        if isinstance(value, list) and len(value) == count:
            setattr(config, key, [value[i] for i in kept])
    config.num_hidden_layers = len(kept)
