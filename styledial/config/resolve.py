"""Defaults, then preset, then file, then command line: one Config, or every problem at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from styledial.config.allowed import allowed, in_words, takes
from styledial.config.as_written import chosen, understood
from styledial.config.elsewhere import OURS, WHY_NOT
from styledial.config.empty import is_blank, without_value
from styledial.config.kl_mode import AUTO
from styledial.config.paths import as_typed, check_number_sign
from styledial.config.precedence import one_revision, settled, without_effect
from styledial.config.source import COMMAND_LINE, Source, Value, parse_assignment, read_yaml
from styledial.config.whole import SECTIONS, Config, all_keys
from styledial.errors import ConfigError, Problem, UserError, nearest
from styledial.keyboard import plain
from styledial.language import say
from styledial.strength import by_name

PRESETS = {
    "quick": "quick_test.yaml", "standard": "standard.yaml", "large": "large.yaml",
    "standard_4bit": "standard_4bit.yaml", "large_4bit": "large_4bit.yaml",
}  # fmt: skip
_EQUALS = re.compile(r"(\w+)\s*=\s*(\S.*)")
# The guide's short options.
SHORT = {"model_name": "model.model_name_or_path", "epochs": "training.num_train_epochs"}


def resolve(
    path: Path | None = None,
    preset: str | None = None,
    options: Mapping[str, Any] | None = None,
    assignments: Iterable[str] = (),
) -> Config:
    """The configuration in force; later layers win: defaults, preset, file, command line.

    `options` are "section.key" -> value (None = not given); `assignments` are
    "section.key=value" strings. Raises ConfigError with every problem found, UserError for a
    file that can't be read.
    """
    layers = []
    if preset is not None:
        layers.append(read_yaml(preset_path(preset), where=f"preset {preset}"))
    if path is not None:
        layers.append(read_yaml(path))
    layers.append(_command_line(options or {}, assignments))

    merged: dict[str, Value] = {}
    problems: list[Problem] = []
    notes: list[str] = []
    for layer in layers:
        problems += layer.problems
        notes += layer.notes
        here: dict[str, str] = {}
        for name, value in layer.values.items():
            key, problem = _known(name, value)
            if not problem and key in here and value.where != COMMAND_LINE:
                problem = _twice(here[key], name, value.where)
            if problem:
                problems.append(problem)
                continue
            here[key] = name
            earlier = merged.get(key)
            if earlier and earlier.where.startswith("preset") and earlier.value != value.value:
                notes.append(
                    say(
                        f"{earlier.where} sets {key} to {earlier.value}; {value.where} "
                        f"changes it to {value.value}",
                        f"{earlier.where} 将 {key} 设为 {earlier.value}，{value.where} "
                        f"改为 {value.value}",
                    )
                )
            merged[key] = value
    notes += settled(merged)
    config, invalid = _validated(merged, notes)
    problems += invalid
    if config is not None and (problem := one_revision(config, merged)):
        problems.append(problem)
    if problems or config is None:
        raise ConfigError(sorted(problems, key=_by_place))
    config.sources.update(
        {key: merged[key].where if key in merged else "default" for key in _every_name()}
    )
    mode = merged.get("training.kl_mode")
    if mode and str(mode.value).strip().lower() == AUTO:
        config.sources["training.kl_mode"] = AUTO  # the line says auto, not what it became
    config.notes.extend([*notes, *without_effect(config)])
    return config


def preset_path(name: str) -> Path:
    """The file of a preset; raises UserError for a name that isn't one."""
    name = chosen(name, tuple(PRESETS))
    if name not in PRESETS:
        guess = nearest(name, PRESETS)
        hint_en = f" Did you mean {guess}?" if guess else ""
        hint_zh = f"是否想写 {guess}？" if guess else ""
        names = ", ".join(PRESETS)
        raise UserError(
            f"--preset {name}: no such preset; available: {names}.{hint_en}",
            f"--preset {name}：没有这个预设；可选 {names}。{hint_zh}",
        )
    return _shipped() / PRESETS[name]


def demo_path() -> Path:
    """The demo's configuration: the bundled model and novels."""
    return _shipped() / "demo.yaml"


def _shipped() -> Path:
    package = Path(__file__).resolve().parents[1]
    installed = package / "presets"
    # In this order: any package may leave a folder `configs` beside an installed one.
    return installed if installed.is_dir() else package.parent / "configs"


def _command_line(options: Mapping[str, Any], assignments: Iterable[str]) -> Source:
    source = Source()
    for name, value in options.items():
        if value is not None:
            source.values[name] = Value(value, COMMAND_LINE)
    for text in assignments:
        name, value = parse_assignment(text)
        typed = text.partition("=")[2].strip()
        source.values[SHORT.get(_spelled(name), name)] = Value(value, COMMAND_LINE, typed=typed)
    return source


def _spelled(name: str) -> str:
    return plain(name).lower().replace("-", "_")


def _every_name() -> list[str]:
    return [f"{section}.{key}" for key, section in all_keys().items()]


def _known(name: str, value: Value) -> tuple[str, Problem | None]:
    """The full name of a key, or what is wrong with it. Case and hyphens are not differences."""
    name, where = _spelled(name), value.where
    section, dot, key = name.rpartition(".")
    keys = all_keys()
    if section in SECTIONS and key in SECTIONS[section].model_fields:
        return name, None
    if not dot and where == COMMAND_LINE and key in keys:
        return f"{keys[key]}.{key}", None  # lora_r=16: keys are unique, the section is clear
    if key in keys:
        return name, Problem(
            where,
            f"`{name}` is not a setting here; `{key}` belongs under `{keys[key]}:`",
            f"`{name}` 不应在此处；`{key}` 应写在 `{keys[key]}:` 之下",
        )
    if not dot and key in SECTIONS and (slip := _EQUALS.match(str(value.value))):
        right = f"{slip[1]}: {slip[2]}"
        return name, Problem(
            where,
            f"write `{right}` below `{key}:`, indented by two spaces; YAML has no =",
            f"请在 `{key}:` 之下缩进两个空格写 `{right}`；YAML 不用 =",
        )
    if not dot and key in SECTIONS:
        return name, Problem(
            where,
            f"`{key}:` is a section; write its settings below it, indented by two spaces",
            f"`{key}:` 是小节名；请在其下缩进两个空格书写设置",
        )
    if section and section not in SECTIONS:
        guess = nearest(section, SECTIONS)
        names = ", ".join(SECTIONS)
        return name, Problem(
            where,
            f"`{section}` is not a section; sections are {names}" + _did_you_mean(guess)[0],
            f"没有小节 `{section}`；小节有 {names}" + _did_you_mean(guess)[1],
        )
    en, zh = _about(key, value, list(SECTIONS[section].model_fields if section else keys))
    return name, Problem(where, f"`{name}` is not a setting{en}", f"没有设置 `{name}`{zh}")


def _about(key: str, value: Value, candidates: list[str]) -> tuple[str, str]:
    """How to go on after an unknown key: the setting that it means, if that takes the value too."""
    if key in WHY_NOT:
        return f": {WHY_NOT[key][0]}", f"：{WHY_NOT[key][1]}"
    keys = all_keys()
    if ours := OURS.get(key):
        full = f"{keys[ours]}.{ours}"
        if _takes(full, value):
            return _did_you_mean(ours)
        en, zh = allowed(SECTIONS[keys[ours]].model_fields[ours])
        return f"; `{full}` is, allowed: {en}", f"；对应的设置是 `{full}`，允许：{zh}"
    for guess in (nearest(key, candidates), nearest(key, keys)):
        if guess and _takes(f"{keys[guess]}.{guess}", value):
            return _did_you_mean(guess)
    listed = ", ".join(candidates)
    return f"; allowed: {listed}", f"；可用：{listed}"


def _takes(full: str, value: Value) -> bool:
    """Whether the setting would be accepted with this value: a hint has to work."""
    return not _validated({full: value}, [])[1]


def _did_you_mean(guess: str | None) -> tuple[str, str]:
    if guess is None:
        return "", ""
    section = all_keys().get(guess)
    full = f"{section}.{guess}" if section else guess
    return f". Did you mean `{full}`?", f"。是否想写 `{full}`？"


def _twice(first: str, second: str, where: str) -> Problem:
    return Problem(
        where,
        f"`{second}` and `{first}` are the same setting; keep one of the two",
        f"`{second}` 与 `{first}` 是同一项设置；请只保留一处",
    )


def _validated(
    merged: Mapping[str, Value], notes: list[str]
) -> tuple[Config | None, list[Problem]]:
    nested: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    problems = []
    for name, value in merged.items():
        section, _, key = name.partition(".")
        field = SECTIONS[section].model_fields[key]
        if is_blank(value.value):
            problems += without_value(name, value, field)
            continue
        try:
            cleaned = understood(name, field, as_typed(name, value))
            if note := check_number_sign(name, value, str(cleaned)):
                notes.append(note)
        except UserError as unclear:
            problems.append(Problem(value.where, f"{name}: {unclear.en}", f"{name}：{unclear.zh}"))
            continue
        # pydantic takes true for 1: a user who writes `lora_r: true` means something else.
        if isinstance(cleaned, bool) and (takes(field, int) or takes(field, float)):
            problems.append(_refused(name, value, field))
            continue
        nested[section][key] = cleaned
    try:
        return Config.model_validate(nested), problems
    except ValidationError as error:
        bad = dict.fromkeys(".".join(map(str, item["loc"][:2])) for item in error.errors())
        for name in bad:
            section, _, key = name.partition(".")
            problems.append(_refused(name, merged[name], SECTIONS[section].model_fields[key]))
        return None, problems


def _refused(name: str, value: Value, field: FieldInfo) -> Problem:
    en, zh = allowed(field)
    given, usual = _as_typed(value), in_words(field.default)
    return Problem(
        value.where,
        f"{name} is {given}; allowed: {en} (default {usual}){_strength(name, value)}",
        f"{name} 的值是 {given}；允许：{zh}（默认 {usual}）{_strength(name, value)}",
    )


def _strength(name: str, value: Value) -> str:
    """Of kl_beta: medium, the number to write."""
    named = by_name(str(value.value)) if name == "training.kl_beta" else None
    return f"; {value.value} = {named.budget:g}" if named else ""


def _as_typed(value: Value) -> str:
    """As the user wrote it: `no` where YAML reads false."""
    if value.typed and not isinstance(value.value, str):
        return value.typed
    return in_words(value.value) if isinstance(value.value, bool | None) else repr(value.value)


def _by_place(problem: Problem) -> tuple[str, int]:
    file, _, line = problem.where.rpartition(":")
    return (file, int(line)) if line.isdigit() else (problem.where, 0)
