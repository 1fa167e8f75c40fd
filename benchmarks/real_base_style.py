"""One style of real_base.py: its texts, what the base writes there, and the readings on them."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from real_base_readings import (
    Tuned,
    chat_figures,
    passage_figures,
    questions,
    samples,
    text_figures,
    written,
)
from real_base_ways import Way

from styledial.build.texts import Texts, prepare_texts, read_material
from styledial.config import Config
from styledial.data.pack import PackedRows
from styledial.evaluation.chat import ENGLISH, answered
from styledial.evaluation.writing import Passage, Passages, openings, sample
from styledial.files import write_json
from styledial.models.load import load_tokenizer
from styledial.training.measure import halves

STYLES = {
    "shakespeare": "tinyshakespeare.txt",
    "gutenberg": "gutenberg/3261.txt",
    "scenes": "tinyshakespeare.txt",
}
SCENES = 180_000  # characters: little enough to be learnt from several times in 100 updates
LANDING, REPORT, GENERAL = 8192, 8192, 6144  # tokens read
PASSAGES, PASSAGE = 48, 64


def style_folder(given: argparse.Namespace, name: str) -> Path:
    """The style's novel alone in a folder, as a run reads novels."""
    folder: Path = given.work / "styles" / name
    folder.mkdir(parents=True, exist_ok=True)
    source = given.texts / "style_en" / STYLES[name]
    if name == "scenes":
        (folder / source.name).write_text(source.read_text(encoding="utf-8")[:SCENES], "utf-8")
    elif not (folder / source.name).is_file():
        shutil.copyfile(source, folder / source.name)
    return folder


def general_text(given: argparse.Namespace) -> Path:
    """What forgetting is measured on."""
    return Path(given.texts / "general_en" / "state_of_the_union.txt")


class Style:
    """One style's texts, and what the base writes there: made when asked for, kept in --work."""

    def __init__(
        self, name: str, given: argparse.Namespace, config: Callable[[Way], Config]
    ) -> None:
        self.name, self.given, self.config = name, given, config
        self.tokenizer = load_tokenizer(str(given.base))

    @cached_property
    def texts(self) -> Texts:
        config = self.config(Way("base", None, self.name, 0))
        cache = self.given.work / "cache" / self.name
        return prepare_texts(config, read_material(config, cache, print), self.tokenizer)

    @cached_property
    def landing(self) -> PackedRows:
        return self._half(0, self._tokens(LANDING))

    @cached_property
    def report(self) -> PackedRows:
        return self._half(1, self._tokens(REPORT))

    @cached_property
    def general(self) -> PackedRows:
        return self.texts.general.at_most(self._tokens(GENERAL))

    def _tokens(self, usual: int) -> int:
        return round(usual * self.given.share)

    def _half(self, which: int, tokens: int) -> PackedRows:
        return self.texts.heldout.select(halves(self.texts.heldout)[which]).at_most(tokens)

    def read(self, name: str, tuned: Tuned, scale: float) -> dict[str, Any]:
        """The figures of one kind."""
        if name == "text":
            return text_figures(tuned, scale, self.report, self.general, self.tokenizer)
        if name == "chat":
            return chat_figures(tuned, scale, self._chat(tuned))
        if name == "questions":
            return questions(tuned, scale, self.tokenizer)
        passages = self._passages(tuned)
        if name == "passages":
            return passage_figures(written(tuned, scale, passages, seed=1), self.tokenizer)
        return {"written": samples(tuned, scale, passages, self.texts, self.tokenizer)}

    def _chat(self, tuned: Tuned) -> PackedRows:
        """The base's answers, for all styles."""
        path = self.given.work / "chat.npz"
        if not path.is_file():
            with tuned.policy.as_base() as base:
                answered(base, self.tokenizer, ENGLISH, seed=1).save(path)
        return _loaded(path)

    def _passages(self, tuned: Tuned) -> Passages:
        """Openings of the held-out text with what the base writes there."""
        found = openings(self.texts.heldout, self.texts.style, passages=PASSAGES, tokens=PASSAGE)
        if found is None:
            sys.exit(f"{self.name}: too little held-out text")
        path = self.given.work / f"passages-{self.name}.json"
        if not path.is_file():
            with tuned.policy.as_base() as base:
                theirs = sample(base, found, seed=1, words="")
            write_json(path, [[p.place, p.ids.tolist(), p.ended] for p in theirs])
        theirs = [
            Passage(place, np.array(ids, dtype=np.int64), ended)
            for place, ids, ended in json.loads(path.read_text(encoding="utf-8"))
        ]
        return found.written_by([], theirs)


@cache
def _loaded(path: Path) -> PackedRows:
    """The same rows each time, so that the base's states of them are kept."""
    return PackedRows.load(path)
