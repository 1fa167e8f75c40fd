"""A training as the page asks for it: preset, novels, strength, name; its plan, its command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from styledial.config import PRESETS, Config, resolve
from styledial.config.resolve import demo_path
from styledial.errors import StyleDialError, UserError
from styledial.language import say
from styledial.run_folder import layout
from styledial.strength import NAMED, band_name

DEMO = "demo"


def presets() -> dict[str, str]:
    """What is shown -> which preset."""
    demo = say("demo: the bundled toy model, a few minutes", "demo：自带的玩具模型，几分钟")
    found = {demo: DEMO}
    for name in PRESETS:
        found[f"{name}: {resolve(None, name).model.model_name_or_path}"] = name
    return found


def strengths() -> dict[str, str]:
    """What is shown -> which strength."""
    return {f"{band_name(name)} ({kl:g})": name for name, kl in NAMED.items()}


@dataclass(frozen=True)
class Form:
    """`preset`, `strength` and `novels` out of what the page offers; `output` is a new folder."""

    preset: str
    strength: str
    novels: str
    output: Path

    def __post_init__(self) -> None:
        if self.preset not in (DEMO, *PRESETS) or self.strength not in NAMED:
            raise UserError(
                "Choose a preset and a strength from the lists.", "请从列表中选择预设和强度。"
            )

    def settings(self) -> list[str]:
        """As they are typed behind `styledial train`."""
        return [
            f"training.kl_beta={NAMED[self.strength]:g}",
            f"data.data_dir={self.novels}",
            f"training.output_dir={self.output}",
        ]

    def config(self) -> Config:
        """The resolved configuration. Raises ConfigError."""
        if self.preset == DEMO:
            return resolve(demo_path(), None, None, self.settings())
        return resolve(None, self.preset, None, self.settings())

    def commands(self) -> list[list[str]]:
        """Train, then measure the strengths, so that the slider works."""
        chosen = (
            ["--config", str(demo_path())] if self.preset == DEMO else ["--preset", self.preset]
        )
        return [["train", *chosen, *self.settings()], ["dial", str(self.output)]]


def resuming(folder: Path) -> list[list[str]]:
    """The commands that go on with a run."""
    config = str(folder / layout.SETTINGS)
    where = f"training.output_dir={folder}"
    return [["train", "--config", config, "--resume", where], ["dial", str(folder)]]


def plan_of(form: Form) -> Sequence[str]:
    """Memory and time, line by line, or why they aren't known. Loads no weights."""
    from styledial.memory.fit import plan_as_trained
    from styledial.memory.gpus import found_card
    from styledial.memory.show import pace, plan_lines
    from styledial.models.load import quiet_libraries

    quiet_libraries()
    card = found_card()
    try:
        resolved, found = plan_as_trained(form.config(), card)
    except StyleDialError as error:
        return [str(error)]
    lines = plan_lines(found, card)
    if card is None:
        lines.append(
            say(
                "There is no GPU here: only the demo trains in reasonable time.",
                "本机没有 GPU：只有 demo 能在合理时间内训练。",
            )
        )
    return [*lines, *pace(resolved, found, card)]
