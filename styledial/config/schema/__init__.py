"""Every setting, once: name, type, range, default and what it does, in two languages.

The YAML template's comments, `--help`, the JSON schema for editors, the sentences about what is
allowed, and what `--resume` does with a change (`resume`) are all derived from this package. Names
are the guide's where the guide has one, else those of TRL and PEFT, so that settings transfer.
"""

from styledial.config.schema.data import DataSettings
from styledial.config.schema.model import ModelSettings
from styledial.config.schema.training import TrainingSettings

__all__ = ["DataSettings", "ModelSettings", "TrainingSettings"]
