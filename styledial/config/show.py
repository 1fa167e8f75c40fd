"""The configuration as people read it: a table with sources, a YAML template, a JSON schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from styledial.config.allowed import as_yaml, both, describe, shown_default
from styledial.config.setting import Resume
from styledial.config.source import tree_of
from styledial.config.whole import SECTIONS, Config
from styledial.distributed import ranks
from styledial.language import say

_TITLES = {
    "model": "模型配置 - 在这里定制模型 | The model: choose yours here",
    "data": "数据配置 | The text",
    "training": "训练配置 | The training",
}


def effective_batch(config: Config, processes: int | None = None) -> int:
    """Sequences per update: per-device batch x accumulation x processes (from torchrun)."""
    if processes is None:
        processes = ranks.place().count
    training = config.training
    return training.micro_batch * training.gradient_accumulation_steps * processes


def config_lines(config: Config) -> list[str]:
    """Every setting with its value and where the value came from, and the effective batch."""
    rows = [
        (
            section,
            key,
            as_yaml(config.value_of(f"{section}.{key}")),
            config.sources.get(f"{section}.{key}", "default"),
        )
        for section, kind in SECTIONS.items()
        for key in kind.model_fields
    ]
    wide = max(len(key) for _, key, _, _ in rows)
    values = max(len(value) for _, _, value, _ in rows)
    lines: list[str] = []
    for section in SECTIONS:
        lines.append(f"{section}:")
        for owner, key, value, source in rows:
            if owner == section:
                lines.append(f"  {key + ':':<{wide + 1}} {value:<{values}}  # {source}")
    training = config.training
    processes = ranks.place().count
    lines.append(
        say("effective batch", "有效批次")
        + f" = {training.micro_batch} x {training.gradient_accumulation_steps}"
        + f" x {processes} = {effective_batch(config, processes)}"
    )
    return lines + config.notes


def as_file(config: Config) -> str:
    """The resolved configuration as YAML; training from it again repeats the run."""
    lines = []
    for section, kind in SECTIONS.items():
        lines.append(f"{section}:")
        for key in kind.model_fields:
            value = config.value_of(f"{section}.{key}")
            source = config.sources.get(f"{section}.{key}", "default")
            lines.append(f"  {key}: {as_yaml(value)}  # {source}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Setting:
    """One setting of a file that `as_file` wrote; `source` is "default" or where it was set."""

    section: str
    key: str
    value: str
    source: str


def shown_settings(path: Path) -> list[Setting]:
    """The settings of a run's file with their sources; [] where it can't be read."""
    try:
        text = path.read_text(encoding="utf-8")
        root = tree_of(text)
    except (OSError, ValueError, yaml.YAMLError):
        return []
    lines = text.split("\n")
    sections = root.value if isinstance(root, yaml.MappingNode) else []
    return [
        Setting(section.value, key.value, written, source)
        for section, settings in sections
        if isinstance(settings, yaml.MappingNode)
        for key, value in settings.value
        for written, source in [_with_source(lines, value)]
    ]


def _with_source(lines: list[str], node: yaml.Node) -> tuple[str, str]:
    """A value as it stands in the file, and the comment behind it."""
    begin, end = node.start_mark, node.end_mark
    written = lines[begin.line][begin.column : end.column if end.line == begin.line else None]
    return written.strip(), lines[end.line][end.column :].partition("# ")[2]


def flat(config: Config) -> dict[str, Any]:
    """ "section.key" -> value in force."""
    return {
        f"{section}.{key}": config.value_of(f"{section}.{key}")
        for section, kind in SECTIONS.items()
        for key in kind.model_fields
    }


def template(config: Config | None = None) -> str:
    """train_config.yaml: every key, its default, and one comment in each language.

    With `config`, what was set there instead of the default.
    """
    bar = "# " + "=" * 44
    lines: list[str] = []
    for section, kind in SECTIONS.items():
        lines += [bar, f"# {_TITLES[section]}", bar, f"{section}:"]
        for key, field in kind.model_fields.items():
            en, zh = both(field)
            name, value = f"{section}.{key}", as_yaml(shown_default(field))
            if config is not None and config.sources.get(name, "default") != "default":
                value = as_yaml(config.value_of(name))
            lines += [f"  # {zh}", f"  # {en}", f"  {key}: {value}", ""]
    return "\n".join(lines).rstrip() + "\n"


def settings_table() -> list[tuple[str, str, str]]:
    """("section.key", default, sentence) for --help and the docs."""
    return [
        (f"{section}.{key}", as_yaml(shown_default(field)), describe(field))
        for section, kind in SECTIONS.items()
        for key, field in kind.model_fields.items()
    ]


def schema_json() -> str:
    """The JSON schema with which editors complete and check a configuration."""
    schema: dict[str, Any] = Config.model_json_schema()
    _forget_private_notes(schema)
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def _forget_private_notes(node: Any) -> None:
    """Fold our `zh` beside each description into it; editors show one text."""
    if isinstance(node, dict):
        zh = node.pop("zh", None)
        node.pop("shown", None)
        if node.get("allowed") and isinstance(node["allowed"], list):
            del node["allowed"]
        if node.get("resume") in get_args(Resume):
            del node["resume"]
        if isinstance(zh, str):
            node["description"] = f"{node['description']}\n{zh}"
        for child in node.values():
            _forget_private_notes(child)
    elif isinstance(node, list):
        for child in node:
            _forget_private_notes(child)
