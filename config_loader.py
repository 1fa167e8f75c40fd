"""The guide's door to the configuration: load_config(path) and print_config(config)."""

import os
import sys
from pathlib import Path

from styledial.config import Config, resolve
from styledial.config.show import config_lines
from styledial.errors import StyleDialError

__all__ = ["load_config", "print_config"]


def load_config(path: str | os.PathLike[str]) -> Config:
    """Read and check a configuration file; a bad one ends the program with what to fix."""
    try:
        return resolve(Path(path))
    except StyleDialError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def print_config(config: Config) -> None:
    """Each setting, its value and where it came from, and the effective batch."""
    print("\n".join(config_lines(config)))
