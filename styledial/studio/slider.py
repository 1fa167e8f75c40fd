"""The slider of strengths and what is written beside it, for each kind of run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import gradio as gr

from styledial.language import say
from styledial.strength import name_of
from styledial.studio import html
from styledial.studio.desk import Reach
from styledial.units import strength as figure

BASE, MOST = "base", "strongest"  # what may be written beside


def strength_words(strength: float) -> str:
    """What the slider's number means."""
    name = name_of(strength)
    reached = say(f"{name}, KL {strength:.3f}", f"{name}，KL {strength:.3f}")
    return html.note(say("base", "基座") if strength == 0 else reached)


def columns_of(found: Reach, strength: float, beside: list[str]) -> Sequence[float | None]:
    """Those of the columns, rising; a model of one strength has one column."""
    if found.most is None:
        return [None]
    most, _ = end_and_step(found.most)
    chosen = min(float(strength), most)
    if not found.measured:
        most = found.most
        chosen = most if chosen > most / 2 else 0.0
    more = {0.0} if BASE in beside else set()
    more |= {most} if MOST in beside else set()
    return sorted({chosen, *more})


def end_and_step(most: float) -> tuple[float, float]:
    """The slider's end and its step: three figures, and no further than was measured."""
    step = 10.0 ** (math.floor(math.log10(most)) - 2)
    return round(math.floor(most / step + 1e-9) * step, 12), step


def slider_of(found: Reach) -> gr.Slider:
    """The slider for a run: from the base to the strongest, at the strength as trained."""
    if found.most is None:
        return gr.Slider(interactive=False, value=0, info=_about(found))
    most, step = end_and_step(found.most)
    trained = found.trained or most
    value = min(round(round(trained / step) * step, 12), most)
    if not found.measured:
        value = step = most
    return gr.Slider(maximum=most, value=value, step=step, interactive=True, info=_about(found))


def beside_of(found: Reach) -> gr.CheckboxGroup:
    """What can be written beside it: nothing else by a model of one strength."""
    if found.most is None:
        return gr.CheckboxGroup(value=[], interactive=False)
    return gr.CheckboxGroup(value=[BASE], interactive=True)


def _about(found: Reach) -> str:
    if found.most is None:
        return say("A whole model: its strength is fixed.", "完整模型，强度固定。")
    if not found.measured:
        return say(
            "Only the base and the trained strength: the others haven't been measured yet "
            "(Train, Measure strengths).",
            "只能选基座和训练所得的强度：其余强度尚未测量（训练页中的“测量强度”）。",
        )
    return say(
        f"{name_of(found.trained or found.most)} as trained; up to {figure(found.most)}.",
        f"训练所得：{name_of(found.trained or found.most)}；最强 {figure(found.most)}。",
    )
