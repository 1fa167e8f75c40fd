"""StyleDial: teach a language model a writing style, to a strength you choose.

    import styledial

    styledial.train("train_config.yaml")
    model = styledial.load("outputs/style", kl_beta=0.1)
    print(model.generate("The door opened and"))

Imports point down only; docs/architecture.md shows the packages in that order, from `cli`, what
the user types, over `run`, the life of a run, to `training`, the loop and the loss, and `data`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from styledial.config import Config
    from styledial.inference.model import StyleModel

__all__ = ["__version__", "load", "train"]

__version__ = "0.1.0"


def load(
    folder: str | Path,
    kl_beta: float | None = None,
    *,
    base: str | None = None,
    answers: bool | None = None,
) -> StyleModel:
    """A run, an exported adapter, a merged folder or a plain base, ready to write.

    `kl_beta` is the strength (None: as trained; 0: the base), `base` says where an adapter's base
    is now, `answers` whether it answers in its chat template (None: where the base was taught to).
    Raises UserError for what can't be loaded and for a strength that it can't have.
    """
    from styledial.inference.model import load as load_model

    return load_model(folder, kl_beta, base=base, answers=answers)


def train(
    config: Config | str | Path | Mapping[str, Any] | None = None,
    *,
    preset: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Train as `config` says and return what the run's summary.json holds.

    `config` is a YAML file, a mapping ({"training": {"kl_beta": 0.1}} or {"training.kl_beta":
    0.1}), or what styledial.config.resolve gives. Raises ConfigError with every problem found,
    UserError for data, a model or a folder that can't be used.
    """
    from styledial.config import Config as Resolved
    from styledial.config import resolve

    if isinstance(config, Mapping):
        settings = {
            f"{section}.{key}" if isinstance(value, Mapping) else section: found
            for section, value in config.items()
            for key, found in (value.items() if isinstance(value, Mapping) else [("", value)])
        }
        config = resolve(None, preset, settings)
    elif not isinstance(config, Resolved):
        config = resolve(None if config is None else Path(config), preset)
    from styledial.run.train import train_from_config

    return train_from_config(config, resume=resume, overwrite=overwrite)
