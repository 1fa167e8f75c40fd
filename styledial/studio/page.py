"""What is on the page, and which function each button calls."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from styledial.errors import StyleDialError, UserError
from styledial.language import say
from styledial.report.writing import marks
from styledial.run_folder.described import prompt_of
from styledial.studio import form, html, live
from styledial.studio.desk import Desk, reach
from styledial.studio.jobs import Jobs, stop_process
from styledial.studio.places import Places
from styledial.studio.slider import BASE, MOST, beside_of, columns_of, slider_of, strength_words

_MOST_CHARACTERS = 200_000  # of a prompt; what the model reads may be less
_EVERY = 2.0  # seconds between two looks at a run under way
_COLUMNS = 3
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


class Page:
    """The page's parts and their functions. One object for all visitors: what is a visitor's own
    comes with each call."""

    def __init__(self, places: Places, desk: Desk, jobs: Jobs) -> None:
        self.places, self.desk, self.jobs = places, desk, jobs
        self.curves = live.Curves()

    def blocks(self) -> gr.Blocks:
        """The page itself."""
        with gr.Blocks(title="StyleDial", analytics_enabled=False, fill_width=True) as page:
            self.can_write = gr.State("")
            gr.HTML(f"<h1>StyleDial <small>{say('studio', '工作室')}</small></h1>")
            with gr.Row(elem_id="pick"):
                self.run = gr.Dropdown(
                    list(self.places.runs()), value=None, label=say("Run", "训练结果"), scale=5,
                    elem_id="run", filterable=False,
                )  # fmt: skip
                again = gr.Button(
                    say("Refresh", "刷新"), scale=0, min_width=90, size="sm", elem_id="again"
                )
            with gr.Tabs(elem_id="tabs"):
                with gr.Tab(say("Write", "写作"), id="write"):
                    self._write_tab()
                with gr.Tab(say("Report", "报告"), id="report") as report:
                    self.report = gr.HTML(elem_id="report-frame")
                with gr.Tab(say("Train", "训练"), id="train"):
                    self._train_tab()
            gr.on([page.load, again.click], self.look, [self.run], [self.run], **_quiet())
            self.run.change(self.ready, [self.run], [self.can_write], **_shown())
            self.can_write.change(
                said(self.chosen), [self.run, self.prompt], [self.slider, self.beside, self.prompt],
                **_shown(),
            )  # fmt: skip
            gr.on(
                [report.select, self.run.change],
                said(self.shown),
                [self.run],
                [self.report],
                api_visibility="private",
            )
            page.queue(max_size=32, default_concurrency_limit=4)
        return page

    def _write_tab(self) -> None:
        self.slider = gr.Slider(
            0, 1, 0, step=0.001, label=say("Strength: 0 is the base", "强度：0 为基座"),
            elem_id="strength", interactive=False,
        )  # fmt: skip
        self.strength = gr.HTML(elem_id="strength-words")
        self.prompt = gr.Textbox(
            label=say("Prompt", "开头"), lines=3, max_lines=12, max_length=_MOST_CHARACTERS,
            elem_id="prompt",
        )  # fmt: skip
        self.beside = gr.CheckboxGroup(
            [(say("the base", "基座"), BASE), (say("the strongest", "最强"), MOST)],
            value=[BASE], label=say("Beside it", "同时写"), elem_id="beside",
        )  # fmt: skip
        with gr.Accordion(say("How it is written", "写作设置"), open=False):
            length = gr.Slider(
                10, 1000, 160, step=10, label=say("Tokens at most", "最多 token 数"),
                elem_id="length",
            )  # fmt: skip
            warmth = gr.Slider(
                0, 2, 0.8, step=0.05, label=say("Temperature", "温度"), elem_id="temperature"
            )
            seed = gr.Number(42, precision=0, label=say("Seed", "随机种子"), elem_id="seed")
        with gr.Row():
            go = gr.Button(say("Write", "写"), variant="primary", elem_id="go", min_width=120)
            stop = gr.Button(say("Stop", "停止"), elem_id="stop", min_width=120)
        with gr.Row(elem_id="columns"):
            columns = [gr.HTML(elem_id=f"text-{i}", visible=i == 0) for i in range(_COLUMNS)]
        gr.HTML(f'<p class="note">{marks()}</p>')
        self.slider.change(strength_words, [self.slider], [self.strength], **_quiet())
        given = [self.run, self.prompt, self.slider, self.beside, length, warmth, seed]
        gr.on(
            [go.click, self.prompt.submit], self.write, given, columns,
            concurrency_limit=1, concurrency_id="model", show_progress="minimal",
            api_visibility="private",
        )  # fmt: skip
        stop.click(self.stop, None, None, **_quiet())

    def _train_tab(self) -> None:
        gr.HTML(f"<h2>{say('This run', '当前训练')}</h2>")
        self.state = gr.HTML(elem_id="state")
        with gr.Row():
            stop = gr.Button(
                say("Stop and save", "停止并保存"), interactive=False, elem_id="stop-run",
                min_width=140,
            )  # fmt: skip
            resume = gr.Button(
                say("Resume", "继续"), interactive=False, elem_id="resume-run", min_width=140
            )
            measure = gr.Button(
                say("Measure strengths", "测量强度"), interactive=False, elem_id="measure-run",
                min_width=140,
            )  # fmt: skip
        curves = gr.HTML(elem_id="curves")
        log = gr.HTML(elem_id="log")
        gr.HTML(f"<h2>{say('A new run', '新的训练')}</h2>")
        asked = self._form()
        plan = gr.HTML(_before_the_plan(), elem_id="plan")
        start = gr.Button(
            say("Train", "开始训练"), variant="primary", interactive=False, elem_id="train"
        )
        preset, _, novels, _ = asked
        gr.on(
            [preset.change, novels.change], said(self.plan), [preset, novels], [plan, start],
            trigger_mode="always_last", api_visibility="private",
        )  # fmt: skip
        start.click(said(self.train), asked, [self.run], **_shown())
        stop.click(said(self.stop_run), [self.run], None, **_shown())
        resume.click(said(self.resume_run), [self.run], None, **_shown())
        measure.click(said(self.measure_run), [self.run], None, **_shown())
        seen = gr.State("")
        shown = [seen, self.can_write, self.state, curves, log, stop, resume, measure]
        looks = gr.Timer(_EVERY)
        looks.tick(self.follow, [self.run, seen], shown, concurrency_limit=None, **_shown())

    def _form(self) -> list[Any]:
        with gr.Row():
            preset = gr.Dropdown(
                list(form.presets().items()), value=None, label=say("Preset", "预设"),
                elem_id="preset", filterable=False, min_width=220,
            )  # fmt: skip
            strength = gr.Dropdown(
                list(form.strengths().items()), value="medium", label=say("Strength", "强度"),
                elem_id="new-strength", filterable=False, min_width=220,
            )  # fmt: skip
        with gr.Row():
            novels = gr.Dropdown(
                list(self.places.novels()), value=next(iter(self.places.novels())),
                label=say("Novels", "小说"), elem_id="novels", filterable=False, min_width=220,
            )  # fmt: skip
            name = gr.Textbox(
                say("style", "style"), label=say("Name", "名称"), max_lines=1, max_length=64,
                elem_id="name", min_width=220,
            )  # fmt: skip
        return [preset, strength, novels, name]

    # What the parts do

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
        self, key: str | None, prompt: str, strength: float, beside: list[str], length: float,
        warmth: float, seed: float, request: gr.Request,
    ) -> Iterator[list[Any]]:  # fmt: skip
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
                    for i in range(_COLUMNS)
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
            return _before_the_plan(), gr.Button(interactive=False)
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
        return (
            mark, ready, html.note(now.sentence), curves, html.log_html(log),
            gr.Button(interactive=now.running), gr.Button(interactive=now.resumable),
            gr.Button(interactive=now.measurable),
        )  # fmt: skip


def _before_the_plan() -> str:
    return html.note(
        say(
            "Choose a preset: its memory plan appears here, then the run can start.",
            "请先选择预设：这里会显示显存估算，随后即可开始训练。",
        )
    )


def _shown() -> dict[str, Any]:
    """For a button: what goes wrong is shown, which Gradio does for events of its queue only."""
    return {"show_progress": "hidden", "api_visibility": "private"}


def _quiet() -> dict[str, Any]:
    """For functions that can't fail and must not wait."""
    return {**_shown(), "queue": False}


@contextlib.contextmanager
def _messages() -> Iterator[None]:
    """As `said`, for a generator."""
    try:
        yield
    except StyleDialError as error:
        raise gr.Error(str(error), duration=30, print_exception=False) from None
