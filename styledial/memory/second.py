"""The second micro-batch of an update, from the trace of the first where both are of one kind.

    first      + gradient                            stays, for the optimizer
    second     + gradient, added to the first's      - gradient

All other events are the same, on storages of their own. tests/test_memory_repeat.py compares the
result with a second micro-batch that was run, event by event.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from styledial.memory.trace import Event, Trace


class Accumulated(NamedTuple):
    """A gradient that autograd has put into `.grad`: its storage, the number of events before that,
    and the layer that its end would be counted for."""

    storage: int
    at: int
    layer: int | None


def add_second(trace: Trace, start: int, gradients: list[Accumulated]) -> bool:
    """Append a micro-batch like the one whose events begin at `start`.

    False, and nothing appended, where that one left more behind than its gradients.
    """
    first = trace.events[start:]
    made = {event.id for event in first if event.size > 0}
    freed = {event.id for event in first if event.size < 0}
    stay = {gradient.storage for gradient in gradients}
    if freed - made or made - freed != stay:
        return False
    waiting = sorted(gradients, key=lambda gradient: gradient.at)
    copies: dict[int, int] = {}

    def free_gradients(before: int) -> None:
        while waiting and waiting[0].at <= before:
            done = waiting.pop(0)
            size = trace.storages[done.storage].size
            trace.events.append(Event(copies.pop(done.storage), -size, done.layer))

    for at, event in enumerate(first, start):
        free_gradients(at)
        if event.size > 0:
            copies[event.id] = len(trace.storages)
            storage = trace.storages[event.id]
            kind = "activations" if event.id in stay else storage.kind  # added, and gone
            trace.storages.append(replace(storage, kind=kind))
            trace.events.append(event._replace(id=copies[event.id]))
        else:
            trace.events.append(event._replace(id=copies.pop(event.id)))
    free_gradients(start + len(first))
    for layer, flops in trace.micro_flops.items():
        trace.flops[layer] = trace.flops.get(layer, 0) + flops
    return True
