"""What a setting is: a pydantic field with one sentence in each language."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def setting(default: Any, en: str, zh: str, *, shown: Any = None, **limits: Any) -> Any:
    """A pydantic field; `shown` is what the YAML template writes where the default is derived."""
    extra: dict[str, Any] = {"zh": zh} if shown is None else {"zh": zh, "shown": shown}
    return Field(default=default, description=en, json_schema_extra=extra, **limits)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_default=True, protected_namespaces=())
