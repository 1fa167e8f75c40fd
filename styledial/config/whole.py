"""The whole configuration: its sections, values by dotted name, and the source of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, PrivateAttr, model_validator

from styledial.config.kl_mode import KLMode
from styledial.config.schema import DataSettings, ModelSettings, TrainingSettings
from styledial.config.setting import OFF, Section


class Config(Section):
    """The whole configuration; `sources` says where each "section.key" came from."""

    model: ModelSettings = Field(default_factory=ModelSettings)
    data: DataSettings = Field(default_factory=DataSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)

    _sources: dict[str, str] = PrivateAttr(default_factory=dict)
    _notes: list[str] = PrivateAttr(default_factory=list)

    @model_validator(mode="after")
    def _settle_kl_mode(self) -> Config:
        """`auto` becomes what it means for this model and text."""
        self.training.kl_mode = KLMode.of_setting(
            self.training.kl_mode,
            adapter=self.model.use_peft,
            anchor=self.data.anchor != OFF,
        ).value
        return self

    @property
    def sources(self) -> dict[str, str]:
        """ "section.key" -> "default", "preset NAME", "FILE:LINE" or "command line"."""
        return self._sources

    def value_of(self, name: str) -> Any:
        """The value of "section.key"."""
        section, _, key = name.partition(".")
        return getattr(getattr(self, section), key)

    def with_values(self, values: Mapping[str, Any], source: str) -> Config:
        """A copy with these "section.key" -> value; what differs has `source` as its source."""
        sections = {name: getattr(self, name) for name in SECTIONS}
        for name, value in values.items():
            section, _, key = name.partition(".")
            sections[section] = sections[section].model_copy(update={key: value})
        copy = self.model_copy(update=sections)
        differing = {n: source for n, value in values.items() if self.value_of(n) != value}
        copy._sources, copy._notes = {**self._sources, **differing}, list(self._notes)
        return copy

    @property
    def notes(self) -> list[str]:
        """What the reader of the configuration corrected or wants the user to know."""
        return self._notes


SECTIONS: dict[str, type[Section]] = {
    "model": ModelSettings,
    "data": DataSettings,
    "training": TrainingSettings,
}


def all_keys() -> dict[str, str]:
    """Every key -> its section; keys are unique over the sections."""
    return {key: name for name, section in SECTIONS.items() for key in section.model_fields}
