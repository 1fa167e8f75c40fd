"""Settings typed as options, as other trainers have them: `--lora_r 8` is `lora_r=8`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from styledial.config.allowed import takes
from styledial.config.elsewhere import OURS, WHY_NOT
from styledial.config.whole import SECTIONS, all_keys
from styledial.errors import UserError, nearest
from styledial.keyboard import plain


def as_assignments(
    args: Sequence[str], with_value: Collection[str], flags: Collection[str]
) -> list[str]:
    """`args` with each `--NAME VALUE` or `--NAME=VALUE` whose name is a setting as `NAME=VALUE`; a
    switch may stand alone, which is true. Other tools' names become settings too, and meet the
    sentence that says what is written here instead.

    `with_value` and `flags` are the command's own options. Raises UserError for a missing value.
    """
    found: list[str] = []
    rest = list(args)
    while rest:
        option, equals, value = rest.pop(0).partition("=")
        if option == "--":
            return [*found, option, *rest]
        name = _setting(option, {*with_value, *flags})
        if name is None:
            found.append(option + equals + value)
            if option in with_value and not equals:
                found += [rest.pop(0)] if rest else []
        elif equals:
            found.append(f"{name}={value}")
        elif rest and not rest[0].startswith("--") and not (_is_switch(name) and "=" in rest[0]):
            found.append(f"{name}={rest.pop(0)}")
        elif _is_switch(name):
            found.append(f"{name}=true")
        else:
            raise _without_value(option, name)
    return found


def _setting(option: str, own: Collection[str]) -> str | None:
    """The setting that `--NAME` is, what another tool calls one, or one with a slip in its name;
    None for an option of the command, and for anything else."""
    if not option.startswith("--") or option in own:
        return None
    name = plain(option.lstrip("-")).replace("-", "_").lower()
    section, _, key = name.rpartition(".")
    known = key in all_keys() or key in OURS or key in WHY_NOT
    slip = not nearest(option, own) and nearest(key, all_keys())
    return name if section in ("", *SECTIONS) and (known or slip) else None


def _is_switch(name: str) -> bool:
    key = name.rpartition(".")[2]
    if key in WHY_NOT:
        return True  # --bf16, --packing
    key = OURS.get(key, key)
    if key not in all_keys():
        return False
    return takes(SECTIONS[all_keys()[key]].model_fields[key], bool)


def _without_value(option: str, name: str) -> UserError:
    return UserError(
        f"{option}: has no value. Write {option} VALUE, or {name}=VALUE.",
        f"{option}：没有写值。请写 {option} 值，或 {name}=值。",
    )
