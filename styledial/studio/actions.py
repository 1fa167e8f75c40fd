"""What happens on the page: the function behind each button, for the visitor who pressed it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from styledial.errors import StyleDialError, UserError
from styledial.language import say
from styledial.run_folder.described import prompt_of
from styledial.studio import form, html, live
from styledial.studio.desk import Desk, reach
from styledial.studio.jobs import Jobs, stop_process
from styledial.studio.places import Places
from styledial.studio.slider import beside_of, columns_of, slider_of

COLUMNS = 3  # texts side by side
F = TypeVar("F", bound=Callable[..., Any])


def said(function: F) -> F:
    """What is wrong becomes a message on the page."""

    @functools.wraps(function)
    def told(*args: Any) -> Any:
        try:
            return function(*args)
        except StyleDialError as error:
            raise gr.Error(str(error), duration=30, print_exception=False) from None

    return told  # type: ignore[return-value]


class Actions:
    """One object for all visitors: what is a visitor's own comes with each call."""

    def __init__(self, places: Places, desk: Desk, jobs: Jobs) -> None:
        self.places, self.desk, self.jobs = places, desk, jobs
        self.curves = live.Curves()

    def look(self, key: str | None) -> Any:
        """The runs there are, the one that was chosen kept."""
        keys = list(self.places.runs())
        chosen = key if key in keys else next(iter(keys), None)
        return gr.Dropdown(choices=keys, value=chosen)

    def chosen(self, key: str | None, prompt: str) -> tuple[Any, ...]:
        """Slider, what is beside it, and a prompt where there is none, for the run."""
        if not key:
            return gr.Slider(interactive=False), gr.CheckboxGroup(), gr.skip()
        folder = self.places.run(key)
        try:
            found = reach(folder)
        except StyleDialError as error:
            return gr.Slider(interactive=False, info=str(error)), gr.CheckboxGroup(), gr.skip()
        return slider_of(found), beside_of(found), (prompt.strip() and prompt) or prompt_of(folder)

    def ready(self, key: str | None) -> str:
        """Which run it is and what it can write; another text as soon as either changes."""
        try:
            return f"{key} {reach(self.places.run(key))}"
        except StyleDialError:
            return f"{key}"

    def write(
        self,
        key: str | None,
        prompt: str,
        strength: float,
        beside: list[str],
        length: float,
        warmth: float,
        seed: float,
        request: gr.Request,
    ) -> Iterator[list[Any]]:
        """The texts as they grow, side by side."""
        how = {
            "max_new_tokens": min(max(int(length or 1), 1), 1000),
            "temperature": min(max(float(warmth or 0), 0.0), 2.0),
            "seed": abs(int(seed or 0)) % 2**63,
        }
        with _messages():
            folder = self._run(key)
            at = columns_of(reach(folder), strength, beside)
            for columns in self.desk.write(str(request.session_hash), folder, prompt, at, **how):
                texts = [html.column_html(each) for each in columns]
                yield [
                    gr.HTML(value=texts[i] if i < len(texts) else "", visible=i < len(texts))
                    for i in range(COLUMNS)
                ]

    def stop(self, request: gr.Request) -> None:
        """End what this visitor has begun to write."""
        self.desk.stop(str(request.session_hash))

    def shown(self, key: str | None) -> str:
        """The report's frame."""
        return html.report_html(key) if key and self.places.run(key) else ""

    def plan(self, preset: str | None, novels: str) -> tuple[Any, ...]:
        """The plan of a new run; with it the button may be pressed."""
        if not preset:
            return before_the_plan(), gr.Button(interactive=False)
        asked = form.Form(preset, "medium", self._novels(novels), self.places.runs_in[0])
        return html.lines_html(form.plan_of(asked)), gr.Button(interactive=True)

    def train(self, preset: str, strength: str, novels: str, name: str) -> Any:
        """Begin a run and choose it."""
        output = self.places.new_run(name)
        asked = form.Form(preset, strength, self._novels(novels), output)
        self.desk.forget()
        self.jobs.begin(output, asked.commands())
        self.places.began(output)
        return self.look(self.places.key_of(output))

    def _novels(self, key: str) -> str:
        found = self.places.novels().get(key)
        if found is None:
            raise UserError("Choose the novels from the list.", "请从列表中选择小说。")
        return found

    def _run(self, key: str | None) -> Path:
        if not key:
            raise UserError(
                "There is no run yet: train one, under Train.",
                "还没有训练结果：请先在“训练”页训练。",
            )
        return self.places.run(key)

    def stop_run(self, key: str | None) -> None:
        """Ask the run to stop; it saves what it has."""
        folder = self._run(key)
        job = self.jobs.of(folder)
        if job is not None and job.code is None:
            job.stop()
        elif (pid := live.owner_of(folder)) is not None:
            stop_process(pid)

    def resume_run(self, key: str | None) -> None:
        """Go on with a run from its newest checkpoint."""
        folder = self._run(key)
        self.desk.forget()
        self.jobs.begin(folder, form.resuming(folder))

    def measure_run(self, key: str | None) -> None:
        """Measure the strengths of a finished run."""
        folder = self._run(key)
        self.jobs.begin(folder, [["dial", str(folder)]])

    def follow(self, key: str | None, seen: str) -> tuple[Any, ...]:
        """State, curves and log of the run; nothing is sent where nothing has changed."""
        nothing = (seen, *[gr.skip()] * 7)
        try:
            folder = self._run(key)
        except StyleDialError:
            return nothing
        now, ready = live.state(folder, self.jobs), self.ready(key)
        curves, log = self.curves.of(folder), self.jobs.log_of(folder)
        mark = f"{now}{ready}{hash(curves)}{hash(log)}"
        if mark == seen:
            return nothing
        can = (now.running, now.resumable, now.measurable)
        buttons = [gr.Button(interactive=each) for each in can]
        return mark, ready, html.note(now.sentence), curves, html.log_html(log), *buttons


def before_the_plan() -> str:
    """Where the plan of a new run appears."""
    return html.note(
        say(
            "Choose a preset: its memory plan appears here, then the run can start.",
            "请先选择预设：这里会显示显存估算，随后即可开始训练。",
        )
    )


@contextlib.contextmanager
def _messages() -> Iterator[None]:
    """As `said`, for a generator."""
    try:
        yield
    except StyleDialError as error:
        raise gr.Error(str(error), duration=30, print_exception=False) from None
