"""What is on the page, and which function of actions.py each button calls."""

from __future__ import annotations

from typing import Any

import gradio as gr

from styledial.language import say
from styledial.report.writing import marks
from styledial.studio import form
from styledial.studio.actions import COLUMNS, Actions, before_the_plan, said
from styledial.studio.slider import BASE, MOST, strength_words

_MOST_CHARACTERS = 200_000  # of a prompt; what the model reads may be less
_EVERY = 2.0  # seconds between two looks at a run under way


class Page:
    """The page's parts."""

    def __init__(self, actions: Actions) -> None:
        self.actions = actions

    def blocks(self) -> gr.Blocks:
        """The page itself."""
        with gr.Blocks(title="StyleDial", analytics_enabled=False, fill_width=True) as page:
            self.can_write = gr.State("")
            gr.HTML(f"<h1>StyleDial <small>{say('studio', '工作室')}</small></h1>")
            with gr.Row(elem_id="pick"):
                keys = list(self.actions.places.runs())
                self.run = _choice(say("Run", "训练结果"), "run", keys, None, scale=5)
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
            gr.on([page.load, again.click], self.actions.look, [self.run], [self.run], **_quiet())
            self.run.change(self.actions.ready, [self.run], [self.can_write], **_shown())
            chosen = [self.slider, self.beside, self.prompt]
            given = [self.run, self.prompt]
            self.can_write.change(said(self.actions.chosen), given, chosen, **_shown())
            gr.on(
                [report.select, self.run.change],
                said(self.actions.shown),
                [self.run],
                [self.report],
                api_visibility="private",
            )
            page.queue(max_size=32, default_concurrency_limit=4)
        return page

    def _write_tab(self) -> None:
        words = say("Strength: 0 is the base", "强度：0 为基座")
        self.slider = _number(words, "strength", 0, (0, 1, 0.001), interactive=False)
        self.strength = gr.HTML(elem_id="strength-words")
        self.prompt = gr.Textbox(
            label=say("Prompt", "开头"),
            lines=3,
            max_lines=12,
            max_length=_MOST_CHARACTERS,
            elem_id="prompt",
        )
        others = [(say("the base", "基座"), BASE), (say("the strongest", "最强"), MOST)]
        words = say("Beside it", "同时写")
        self.beside = gr.CheckboxGroup(others, value=[BASE], label=words, elem_id="beside")
        with gr.Accordion(say("How it is written", "写作设置"), open=False):
            words = say("Tokens at most", "最多 token 数")
            length = _number(words, "length", 160, (10, 1000, 10))
            warmth = _number(say("Temperature", "温度"), "temperature", 0.8, (0, 2, 0.05))
            seed = gr.Number(42, precision=0, label=say("Seed", "随机种子"), elem_id="seed")
        with gr.Row():
            go = _button(say("Write", "写"), "go", variant="primary", min_width=120)
            stop = _button(say("Stop", "停止"), "stop", min_width=120)
        with gr.Row(elem_id="columns"):
            columns = [gr.HTML(elem_id=f"text-{i}", visible=i == 0) for i in range(COLUMNS)]
        gr.HTML(f'<p class="note">{marks()}</p>')
        self.slider.change(strength_words, [self.slider], [self.strength], **_quiet())
        given = [self.run, self.prompt, self.slider, self.beside, length, warmth, seed]
        gr.on(
            [go.click, self.prompt.submit],
            self.actions.write,
            given,
            columns,
            concurrency_limit=1,
            concurrency_id="model",
            show_progress="minimal",
            api_visibility="private",
        )
        stop.click(self.actions.stop, None, None, **_quiet())

    def _train_tab(self) -> None:
        gr.HTML(f"<h2>{say('This run', '当前训练')}</h2>")
        self.state = gr.HTML(elem_id="state")
        with gr.Row():
            stop = _button(say("Stop and save", "停止并保存"), "stop-run", interactive=False)
            resume = _button(say("Resume", "继续"), "resume-run", interactive=False)
            words = say("Measure strengths", "测量强度")
            measure = _button(words, "measure-run", interactive=False)
        curves = gr.HTML(elem_id="curves")
        log = gr.HTML(elem_id="log")
        gr.HTML(f"<h2>{say('A new run', '新的训练')}</h2>")
        asked = self._form()
        plan = gr.HTML(before_the_plan(), elem_id="plan")
        start = gr.Button(
            say("Train", "开始训练"), variant="primary", interactive=False, elem_id="train"
        )
        preset, _, novels, _ = asked
        gr.on(
            [preset.change, novels.change],
            said(self.actions.plan),
            [preset, novels],
            [plan, start],
            trigger_mode="always_last",
            api_visibility="private",
        )
        start.click(said(self.actions.train), asked, [self.run], **_shown())
        stop.click(said(self.actions.stop_run), [self.run], None, **_shown())
        resume.click(said(self.actions.resume_run), [self.run], None, **_shown())
        measure.click(said(self.actions.measure_run), [self.run], None, **_shown())
        seen = gr.State("")
        shown = [seen, self.can_write, self.state, curves, log, stop, resume, measure]
        looks = gr.Timer(_EVERY)
        looks.tick(self.actions.follow, [self.run, seen], shown, concurrency_limit=None, **_shown())

    def _form(self) -> list[Any]:
        with gr.Row():
            presets, strengths = list(form.presets().items()), list(form.strengths().items())
            preset = _choice(say("Preset", "预设"), "preset", presets, None)
            strength = _choice(say("Strength", "强度"), "new-strength", strengths, "medium")
        with gr.Row():
            books = list(self.actions.places.novels())
            novels = _choice(say("Novels", "小说"), "novels", books, books[0])
            name = gr.Textbox(
                "style",
                label=say("Name", "名称"),
                max_lines=1,
                max_length=64,
                elem_id="name",
                min_width=220,
            )
        return [preset, strength, novels, name]


def _choice(
    words: str, name: str, options: list[Any], value: str | None, scale: int | None = None
) -> gr.Dropdown:
    width = 220 if scale is None else 160
    return gr.Dropdown(
        options,
        value=value,
        label=words,
        elem_id=name,
        filterable=False,
        scale=scale,
        min_width=width,
    )


def _number(
    words: str, name: str, value: float, within: tuple[float, float, float], **more: Any
) -> gr.Slider:
    """A slider from the first to the second, in steps of the third."""
    lowest, highest, step = within
    return gr.Slider(lowest, highest, value, step=step, label=words, elem_id=name, **more)


def _button(words: str, name: str, min_width: int = 140, **more: Any) -> gr.Button:
    return gr.Button(words, elem_id=name, min_width=min_width, **more)


def _shown() -> dict[str, Any]:
    """For a button: what goes wrong is shown, which Gradio does for events of its queue only."""
    return {"show_progress": "hidden", "api_visibility": "private"}


def _quiet() -> dict[str, Any]:
    """For functions that can't fail and must not wait."""
    return {**_shown(), "queue": False}
