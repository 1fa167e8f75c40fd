"""What a setting is: a pydantic field with one sentence in each language."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

# What `--resume` does where a setting differs from the run that it continues.
Resume = Literal["same", "said", "free"]
SAME: Resume = "same"  # refuses: it would be another run
SAID: Resume = "said"  # says so; it is in force from there on and changes the result
FREE: Resume = "free"  # takes it; the result is the same

# Values of settings of several groups.
OFF = "off"  # unquoted, YAML reads it as false: as_written.py takes both
BUNDLED = "bundled"  # as a model, a data folder or a general text: the sample in the package


def setting(
    default: Any,
    en: str,
    zh: str,
    *,
    resume: Resume,
    shown: Any = None,
    allowed: tuple[str, str] | None = None,
    **limits: Any,
) -> Any:
    """A pydantic field; `shown` is what the YAML template writes where the default is derived,
    `allowed` says in two languages what type and limits don't."""
    extra: dict[str, Any] = {"zh": zh, "resume": resume}
    if allowed is not None:
        extra["allowed"] = list(allowed)
    if shown is not None:
        extra["shown"] = shown
    return Field(default=default, description=en, json_schema_extra=extra, **limits)


class Section(BaseModel):
    """A group of settings; keys that it doesn't define are refused."""

    model_config = ConfigDict(extra="forbid", validate_default=True, protected_namespaces=())
