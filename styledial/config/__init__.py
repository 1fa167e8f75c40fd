"""The configuration. Nothing heavy is imported, so a bad one is refused at once."""

from styledial.config.kl_mode import KLMode
from styledial.config.resolve import PRESETS, resolve
from styledial.config.setting import BUNDLED, OFF, Resume
from styledial.config.whole import SECTIONS, Config

__all__ = ["BUNDLED", "OFF", "PRESETS", "SECTIONS", "Config", "KLMode", "Resume", "resolve"]
