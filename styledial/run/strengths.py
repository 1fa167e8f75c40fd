"""A finished adapter at the requested strength: its scale, or how to get that far.

--strength left out      as trained: scale 1, the run's own KL
max                      the strongest that was measured
light, 0.08, ...         the scale with that KL; beyond the strongest it is refused
0                        the base, where a command takes it: scale 0, nothing has to be measured
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from styledial.commands import command
from styledial.config import KLMode
from styledial.dial import DialPoint, load_dial, scale_for, strongest
from styledial.errors import UserError
from styledial.files import beside
from styledial.language import say
from styledial.run_folder.described import summary_of
from styledial.run_folder.layout import SETTINGS
from styledial.run_folder.metrics import is_number
from styledial.run_folder.outcome import fell_short, target_of
from styledial.strength import MAX, NAMED, Strength, name_of
from styledial.units import strength as figure


@dataclass(frozen=True)
class Chosen:
    """`kl` in nats per token; None where it was not measured."""

    scale: float
    kl: float | None

    def words(self) -> str:
        """medium, KL 0.098 | 中等，KL 0.098; how strong a model at this scale is."""
        if self.kl is None:
            return say("not measured", "未测量")
        if self.scale == 0:
            return say("the base", "基座")
        return say(
            f"{name_of(self.kl)}, KL {figure(self.kl)} nats per token",
            f"{name_of(self.kl)}，KL {figure(self.kl)} nats/token",
        )


def choose(folder: Path, wanted: Strength | None) -> Chosen:
    """The scale for a strength of the adapter in `folder`.

    Raises AdapterError where its strengths haven't been measured, UserError beyond the strongest.
    """
    if wanted is None:
        kl = summary_of(folder).get("kl_final")
        return Chosen(1.0, kl if is_number(kl) else None)
    if wanted.kl == 0:
        return Chosen(0.0, 0.0)
    points = load_dial(folder)
    found = at_strength(points, wanted)
    if found is None:
        raise out_of_reach(folder, points, [wanted])
    return found


def at_strength(points: Sequence[DialPoint], wanted: Strength) -> Chosen | None:
    """None where the adapter doesn't go so far."""
    most = strongest(points)
    if wanted.name == MAX:
        return Chosen(most.scale, most.kl)
    return Chosen(scale_for(points, wanted.kl), wanted.kl) if wanted.kl <= most.kl else None


def within(kl: float) -> list[str]:
    """The strengths to advise where `kl` is the strongest: those by name, else half of it."""
    return [name for name, value in NAMED.items() if value <= kl] or [f"{kl / 2:.2g}"]


def out_of_reach(
    folder: Path, points: Sequence[DialPoint], wanted: Sequence[Strength]
) -> UserError:
    """The refusal: which strengths, the strongest that the adapter reaches, how to get further."""
    most = strongest(points)
    en = ", ".join(each.words() for each in wanted)
    zh = "、".join(each.words() for each in wanted)
    more = "\n    ".join(further(folder, max(wanted, key=lambda each: each.kl)))
    return UserError(
        f"strength {en}: out of reach. The strongest of this adapter is {figure(most.kl)}; write "
        f"`max` for it. {more}",
        f"达不到强度{zh}：这个适配器最强为 {figure(most.kl)}，可写 max。{more}",
    )


def further(folder: Path, missed: Strength | None = None) -> tuple[str, str]:
    """The way to a stronger adapter, a sentence and its command: more updates where the run fell
    short of its budget or had none, a larger budget where it used it up, both where the budget only
    scaled the adapter; of one that was taken over from another base, training here. To the strength
    that was `missed`, where one was."""
    summary = summary_of(folder)
    asked = target_of(summary)
    budget = _budget(asked, missed)
    if "taken_from" in summary:
        return (
            say(
                "It was trained on another base; trained on this one it may go further:",
                "它是在另一个基座上训练的；直接在这个基座上训练可能更强：",
            ),
            _again(folder, "trained", *budget),
        )
    if fell_short(summary):
        return (
            say(
                f"The budget of {asked:g} was not used up; more updates go further:",
                f"预算 {asked:g} 没有用完；增加更新步数可以更强：",
            ),
            _longer(folder, summary, *budget),
        )
    if asked is not None:
        wider = next((name for name, kl in NAMED.items() if kl > asked), f"{2 * asked:g}")
        if KLMode.of_summary(summary) is KLMode.ANCHOR:  # a larger budget is the same adapter
            return (
                say(
                    "This is all that the training gave; more updates with a larger budget go "
                    "further:",
                    "训练只走到这里；增加更新步数并加大预算可以更强：",
                ),
                _longer(folder, summary, *(budget or ("--strength", wider))),
            )
        return (
            say(
                f"The budget of {asked:g} was used up; a larger one goes further:",
                f"预算 {asked:g} 已用完；更大的预算可以更强：",
            ),
            _again(folder, budget[-1] if budget else wider, *(budget or ("--strength", wider))),
        )
    return say("More updates go further:", "增加更新步数可以更强："), _longer(folder, summary)


def _budget(asked: float | None, missed: Strength | None) -> tuple[str, ...]:
    """`--strength` for what was missed, unless the run was for as much already or had no budget."""
    more = missed is not None and asked is not None and missed.kl > asked
    return ("--strength", missed.name) if missed and more else ()


def _longer(folder: Path, summary: Mapping[str, Any], *budget: str) -> str:
    """The command that trains the same with twice the updates, in a folder of its own."""
    steps = summary.get("steps")
    twice = 2 * int(steps) if is_number(steps) else 200
    return _again(folder, "longer", *budget, f"training.max_steps={twice}")


def _again(folder: Path, suffix: str, *change: str) -> str:
    target = beside(folder, suffix)
    config = folder / SETTINGS
    return command("train", "--config", config, *change, f"training.output_dir={target}")
