"""The state, curves and log of a run, read from its files."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from styledial.language import say
from styledial.report import training
from styledial.run_folder import layout
from styledial.run_folder.checkpoint_files import checkpoint_folders
from styledial.run_folder.described import is_plain_model
from styledial.run_folder.lock import owner_here
from styledial.run_folder.reader import read_files
from styledial.studio.html import curves_html
from styledial.studio.jobs import Jobs

_BETWEEN = 4.0  # seconds between two drawings of the curves


@dataclass(frozen=True)
class State:
    """What can be done with a run just now, and a sentence about it."""

    sentence: str
    running: bool
    resumable: bool
    measurable: bool  # a finished adapter whose strengths are not measured


def state(folder: Path, jobs: Jobs) -> State:
    """From the job that this studio began, else from the files."""
    job = jobs.of(folder)
    ours = job is not None and job.code is None
    running = ours or owner_of(folder) is not None
    finished = (folder / layout.SUMMARY).is_file()
    resumable = not running and not finished and bool(checkpoint_folders(folder))
    adapter = (folder / layout.ADAPTER_SETTINGS).is_file()
    measurable = finished and adapter and not running and not (folder / layout.DIAL).is_file()
    if job is not None and (ours or not running):
        words = job.words()
    elif running:
        words = say("running, begun elsewhere", "进行中（在别处启动）")
    elif is_plain_model(folder):
        words = say("a whole model, not a training run", "完整模型，不是训练结果")
    else:
        words = say("finished", "已完成") if finished else say("not finished", "未完成")
    sentence = say(f"{folder.name}: {words}", f"{folder.name}：{words}")
    return State(sentence, running, resumable, measurable)


def owner_of(folder: Path) -> int | None:
    """The process of this machine that works in the run's folder."""
    return owner_here(folder / layout.OWN)


class Curves:
    """The curves of runs, drawn anew only where the file has grown and some time has passed."""

    def __init__(self) -> None:
        self._drawn: dict[Path, tuple[int, float, str]] = {}

    def of(self, folder: Path) -> str:
        """As HTML; "" before the first line of metrics.jsonl."""
        size = 0
        with contextlib.suppress(OSError):
            size = (folder / layout.METRICS).stat().st_size
        known = self._drawn.get(folder)
        if known and (known[0] == size or time.monotonic() < known[1] + _BETWEEN):
            return known[2]
        run = read_files(folder)
        html = curves_html(training.section(run)) if run.metrics else ""
        self._drawn[folder] = (size, time.monotonic(), html)
        return html
