"""One prompt written at several strengths at once, by one model.

Each text has a thread, and they take turns, a token each: only the thread whose turn it is uses the
model, at its text's scale and with its own random state. So each text is the same as if it were
written alone with that strength and seed.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import torch

from styledial.inference.model import Message, StyleModel
from styledial.models.generation import GrowingText, Sampling, TokenStream

_Tokens = queue.SimpleQueue[tuple[int, int | None]]


def stream_each(
    model: StyleModel,
    prompt: str | Sequence[Message],
    strengths: Sequence[float | None],
    *,
    max_new_tokens: int = 200,
    seed: int = 42,
    temperature: float = 0.8,
) -> Generator[tuple[int, str]]:
    """(number of the strength, piece) as they are written; None is the model's own strength.

    Where the caller stops, so does the writing. Raises UserError before anything is written.
    """
    how = Sampling(max_new_tokens, seed, temperature)
    before = model.ids_of(prompt)
    scales = list(map(model.scale_of, strengths))
    tokens: _Tokens = queue.SimpleQueue()
    turns = _Turns(len(scales))
    writers = [_Writer(model, scale, turns, i, tokens, before) for i, scale in enumerate(scales)]
    texts = [GrowingText(model.tokenizer, before) for _ in scales]
    with torch.random.fork_rng():
        threads = [threading.Thread(target=w.run, args=(how,), daemon=True) for w in writers]
        for thread in threads:
            thread.start()
        try:
            yield from _pieces(tokens, texts)
        finally:
            for writer in writers:
                writer.watch.left.set()
            for thread in threads:
                thread.join()
    for writer in writers:
        if writer.watch.error:
            raise writer.watch.error


def _pieces(tokens: _Tokens, texts: Sequence[GrowingText]) -> Iterator[tuple[int, str]]:
    writing = len(texts)
    while writing:
        who, token = tokens.get()
        if token is None:
            writing -= 1
        elif piece := texts[who].add(token):
            yield who, piece


class _Turns:
    """A circle of writers, one of whom has the turn."""

    def __init__(self, count: int) -> None:
        self._circle = deque(range(count))
        self._moved = threading.Condition()

    def wait(self, who: int) -> None:
        with self._moved:
            self._moved.wait_for(lambda: self._circle[0] == who)

    def give(self, *, leave: bool = False) -> None:
        """Pass the turn to the next one; one that has left gets no further turns."""
        with self._moved:
            self._circle.rotate(-1)
            if leave:
                self._circle.pop()
            self._moved.notify_all()


class _Writer:
    """One text. `run` is its thread; the model is at its scale while it has the turn."""

    def __init__(
        self,
        model: StyleModel,
        scale: float,
        turns: _Turns,
        who: int,
        tokens: _Tokens,
        before: list[int],
    ) -> None:
        self._model, self._scale, self._turns, self._who = model, scale, turns, who
        self._before = before
        self._at_scale = contextlib.ExitStack()
        self.watch = TokenStream(len(before), lambda token: tokens.put((who, token)), self._between)

    def run(self, how: Sampling) -> None:
        self._turns.wait(self._who)
        try:
            with self._at_scale:
                writing = self._at_scale.enter_context(self._model.at_scale(self._scale))
                self.watch.run(writing, self._model.tokenizer, self._before, how)
        finally:
            self._turns.give(leave=True)

    def _between(self) -> None:
        """After a token: let the others write, and wait for the next turn."""
        self._at_scale.close()
        restore = _random_numbers()
        self._turns.give()
        self._turns.wait(self._who)
        restore()
        self._at_scale.enter_context(self._model.at_scale(self._scale))


def _random_numbers() -> Callable[[], None]:
    """A function that puts the random numbers back to where they are now."""
    device = torch.accelerator.current_accelerator(check_available=True)
    places: list[Any] = [torch]
    if device is not None:
        places.append(torch.get_device_module(device))
    kept = [(place.set_rng_state, place.get_rng_state()) for place in places]

    def restore() -> None:
        for put, state in kept:
            put(state)

    return restore
