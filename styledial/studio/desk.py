"""Writing with a run at several strengths, side by side; one model is in memory at a time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styledial.dial import FILE as DIAL
from styledial.dial import load_dial, strongest
from styledial.errors import AdapterError, UserError
from styledial.language import say
from styledial.report.parts import Word
from styledial.report.writing import marked
from styledial.run_folder import layout
from styledial.run_folder.described import describe_adapter, is_plain_model
from styledial.run_folder.metrics import is_number
from styledial.strength import name_of

if TYPE_CHECKING:
    from styledial.inference.model import StyleModel

_BETWEEN = 0.12  # seconds between two pictures of a text that grows


@dataclass(frozen=True)
class Reach:
    """How far a model's strength goes: `most` None where it has one strength only."""

    trained: float | None
    most: float | None
    measured: bool  # every strength up to `most`, not only `trained`


def reach(folder: Path) -> Reach:
    """From the run's small files. Raises AdapterError where there is no model to write with."""
    if is_plain_model(folder):
        return Reach(None, None, False)
    trained = describe_adapter(folder).get("kl_final")
    trained = float(trained) if is_number(trained) and trained > 0 else None
    if not (folder / layout.ADAPTER_SETTINGS).is_file():  # all weights were tuned
        return Reach(trained, None, False)
    with contextlib.suppress(AdapterError):
        return Reach(trained, strongest(load_dial(folder)).kl, True)
    return Reach(trained, trained, False)


@dataclass(frozen=True)
class Column:
    """One text as far as it is written."""

    title: str
    prompt: str  # what it goes on from; nothing of an answer
    words: Sequence[Word] = field(default_factory=tuple)
    done: bool = False


class Desk:
    """Loads what is written with; a request that arrives while another is being written waits."""

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._stopped: dict[str, threading.Event] = {}
        self._known: tuple[object, StyleModel] | None = None

    def write(
        self, who: str, folder: Path, prompt: str, strengths: Sequence[float | None], **how: Any
    ) -> Iterator[list[Column]]:
        """The columns as they grow, at last with what training favours marked.

        Raises UserError for a prompt or a strength that can't be written.
        """
        if not prompt.strip():
            raise UserError(
                "The prompt is empty; write the beginning of a text.", "请先写出文章的开头。"
            )
        stopped = self._stopped.setdefault(who, threading.Event())
        stopped.clear()
        with self._busy:
            model = self._model(folder)
            asked: Any = model.asked(prompt)
            shown = "" if model.is_chat else prompt
            columns = [Column(title(each), shown) for each in strengths]
            yield columns
            for grown in _growing(model, asked, columns, strengths, stopped, how):
                yield grown
                columns = grown
            yield [
                _with_marks(model, asked, each, strength)
                for each, strength in zip(columns, strengths, strict=True)
            ]
        self._stopped.pop(who, None)

    def stop(self, who: str) -> None:
        """End what this visitor has begun; what is written stays."""
        if found := self._stopped.get(who):
            found.set()

    def forget(self) -> None:
        """Give the model's memory back, if nothing is being written."""
        if self._busy.acquire(blocking=False):
            self._known = None
            self._busy.release()

    def _model(self, folder: Path) -> StyleModel:
        from styledial.inference.model import load

        here = (folder, _last_changed(folder))
        if self._known is None or self._known[0] != here:
            self._known = None  # its memory, before the next one's
            self._known = (here, load(folder))
        return self._known[1]


def title(strength: float | None) -> str:
    """The name above a column."""
    if strength is None:
        return say("as it is", "原样")
    if strength == 0:
        return say("base", "基座")
    return f"{name_of(strength)} · {strength:.3g}"


def _growing(
    model: StyleModel,
    asked: Any,
    columns: list[Column],
    strengths: Sequence[float | None],
    stopped: threading.Event,
    how: dict[str, Any],
) -> Iterator[list[Column]]:
    from styledial.inference.side_by_side import stream_each

    texts = [""] * len(columns)
    shown = 0.0
    with contextlib.closing(stream_each(model, asked, strengths, **how)) as pieces:
        for number, piece in pieces:
            texts[number] += piece
            if stopped.is_set():
                break
            if time.monotonic() > shown + _BETWEEN:
                shown = time.monotonic()
                yield [replace(c, words=[Word(t)]) for c, t in zip(columns, texts, strict=True)]
    yield [replace(c, words=[Word(t)]) for c, t in zip(columns, texts, strict=True)]


def _with_marks(model: StyleModel, asked: Any, column: Column, strength: float | None) -> Column:
    """The finished column; what training favours at its strength is marked."""
    text = "".join(word.text for word in column.words)
    if model.policy is None or strength == 0 or not text:
        return replace(column, done=True)
    from styledial.evaluation.favoured import favoured_words

    with model.at_scale(model.scale_of(strength)):
        found = favoured_words(model.policy, model.tokenizer, model.ids_of(asked), text)
    words = [word for each in found for word in marked(*each)]
    return replace(column, words=words, done=True)


def _last_changed(folder: Path) -> tuple[int, ...]:
    names = (layout.ADAPTER_WEIGHTS, layout.MODEL_WEIGHTS, DIAL)
    return tuple(
        (folder / name).stat().st_mtime_ns if (folder / name).is_file() else 0 for name in names
    )
