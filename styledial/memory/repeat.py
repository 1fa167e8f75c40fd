"""The trace of a whole model from that of a short one: layers of one kind are traced once.

    events of layer 2 -> of layers 2, 3, ... 44, each on storages of its own     (shorten.py)

One period of the layers stands for those left out, and the next one has to have the very same
events: else `with_layers` raises Irregular, and the model is traced whole. The result is held to
the whole trace, event by event, by tests/test_memory_repeat.py.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from styledial.memory.shorten import Repeat
from styledial.memory.trace import Event, Storage, Trace


class Irregular(Exception):
    """Layers that look alike differ in their events."""


class _Section(NamedTuple):
    """Events [start, stop) during work on one layer; `visit` counts those that make something."""

    layer: int | None
    visit: int
    start: int
    stop: int


# A storage: (layer, visit, number) for the number-th that was made in that section.
_Key = tuple[int | None, int, int]


def with_layers(trace: Trace, repeat: Repeat) -> Trace:
    """The trace of the whole model, from that of what `shorten` left of it. Raises Irregular."""
    return _Expansion(trace, repeat).made()


class _Expansion:
    """One trace being put back; `ids` are storages of the whole model that are there now."""

    def __init__(self, trace: Trace, repeat: Repeat) -> None:
        self.trace, self.repeat = trace, repeat
        self.sections = list(_sections(trace.events))
        self.keys = _keys(trace, self.sections)
        self.result = Trace(trace.grain)
        self.ids: dict[_Key, int] = {}

    def made(self) -> Trace:
        first, twice = self.repeat.first, 2 * self.repeat.period
        at = 0
        while at < len(self.sections):
            layer = self.sections[at].layer
            if layer is None or not first <= layer < first + twice:
                self.emit(self.sections[at])
                at += 1
            else:
                self.emit_middle(self.sections[at : at + twice])
                at += twice
        self.check_what_is_left()
        self.result.flops = self.in_all(self.trace.flops)
        self.result.micro_flops = self.in_all(self.trace.micro_flops)
        return self.result

    def emit_middle(self, sections: list[_Section]) -> None:
        """Two periods of sections, from the first layer to the last or the other way round."""
        first, period, times = self.repeat
        layers = [section.layer for section in sections]
        up = list(range(first, first + 2 * period))
        if layers not in (up, up[::-1]):
            raise Irregular
        rising = layers == up
        one, other = sections[:period], sections[period:]
        self.check_alike(*((one, other) if rising else (other, one)))
        if rising:
            self.emit_times(one, range(times + 1))
            self.emit_times(other, [times])
        else:
            self.emit_times(one, [times])
            self.emit_times(other, range(times, -1, -1))

    def emit_times(self, sections: list[_Section], periods: Sequence[int]) -> None:
        for number in periods:
            for section in sections:
                self.emit(section, number * self.repeat.period)

    def emit(self, section: _Section, shift: int | None = None) -> None:
        """A section's events, on the layer that stands `shift` layers further on."""
        for event in self.trace.events[section.start : section.stop]:
            layer, visit, number = self.keys[event.id]
            place = self.placed(layer, shift)
            if event.size > 0:
                self.ids[place, visit, number] = self.add(self.trace.storages[event.id], place)
                continue
            made = self.ids.pop((place, visit, number), None)
            if made is None:
                raise Irregular
            self.result.events.append(Event(made, -self.result.storages[made].size, place))

    def placed(self, layer: int | None, shift: int | None) -> int | None:
        """Where a layer of the short model is in the whole one, seen from a shifted section."""
        if layer is None:
            return None
        if shift is not None:
            return layer + shift
        return layer if layer < self.repeat.check else layer + self.repeat.left_out

    def add(self, of: Storage, layer: int | None) -> int:
        size = of.size
        if of.joined:
            size = self.result.rounded(sum(self.in_all(of.joined).values()))
        number = len(self.result.storages)
        self.result.storages.append(Storage(size, of.phase, of.operation, of.kind, layer=layer))
        self.result.events.append(Event(number, size, layer))
        return number

    def in_all(self, of_layers: dict[int | None, int]) -> dict[int | None, int]:
        """Amounts by layer, those of the period for all that it stands for."""
        return {layer: amount * self.copies(layer) for layer, amount in of_layers.items()}

    def copies(self, layer: int | None) -> int:
        """How many layers of the whole model one of the short one is."""
        stands = layer is not None and self.repeat.first <= layer < self.repeat.check
        return self.repeat.times + 1 if stands else 1

    def check_alike(self, one: list[_Section], other: list[_Section]) -> None:
        """Raises Irregular where two periods differ in an event."""
        for section in (*one, *other):
            for event in self.trace.events[section.start : section.stop]:
                if event.size < 0 and self.keys[event.id][0] is None:
                    raise Irregular  # goes once, and would have to go with each layer
        for a, b in zip(sorted(one), sorted(other), strict=True):
            if list(self.described(a)) != list(self.described(b)):
                raise Irregular

    def described(self, section: _Section) -> Iterator[Hashable]:
        assert section.layer is not None
        yield section.visit
        for event in self.trace.events[section.start : section.stop]:
            layer, visit, number = self.keys[event.id]
            storage = self.trace.storages[event.id]
            made = (storage.phase, storage.operation, storage.kind, storage.joined is None)
            yield event.size, None if layer is None else layer - section.layer, visit, number, made

    def check_what_is_left(self) -> None:
        """Raises Irregular where of alike layers' storages one is there at the end, another not."""
        first, period, times = self.repeat
        last = first + period * (times + 2)
        for layer, visit, number in self.ids:
            if layer is None or not first <= layer < last:
                continue
            for other in (layer - period, layer + period):
                if first <= other < last and (other, visit, number) not in self.ids:
                    raise Irregular


def _sections(events: list[Event]) -> Iterator[_Section]:
    visits: dict[int | None, int] = {}
    start = 0
    for at in range(1, len(events) + 1):
        layer = events[start].layer
        if at == len(events) or events[at].layer != layer:
            # A layer's last storages may go alone, after others have been at work.
            makes = any(event.size > 0 for event in events[start:at])
            visits[layer] = visits.get(layer, 0) + makes
            yield _Section(layer, visits[layer], start, at)
            start = at


def _keys(trace: Trace, sections: list[_Section]) -> list[_Key]:
    """The key of each storage, in order."""
    keys: list[_Key] = []
    for section in sections:
        before = len(keys)
        for event in trace.events[section.start : section.stop]:
            if event.size > 0:
                keys.append((section.layer, section.visit, len(keys) - before))
    return keys
