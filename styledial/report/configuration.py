"""Every setting in force and where it was set; those that differ from their default come first."""

from __future__ import annotations

import yaml

from styledial.config.kl_mode import AUTO
from styledial.config.show import Setting, settings_table
from styledial.language import say, typed
from styledial.report.parts import Section, Table
from styledial.run_folder.reader import Run


def section(run: Run) -> Section:
    """Settings, those that differ from their default first; nothing loaded but YAML."""
    name, title = "configuration", say("Configuration", "配置")
    if not run.settings:
        return Section(
            name,
            title,
            [
                say(
                    "train_config.yaml is missing from the run's folder.",
                    "训练文件夹中缺少 train_config.yaml。",
                )
            ],
        )
    defaults = {name: default for name, default, _ in settings_table()}
    chosen: list[Setting] = []
    rest: list[Setting] = []
    for each in run.settings:
        default = defaults.get(f"{each.section}.{each.key}")
        # null of lora_alpha is the default as well as 16, which documents show for it
        settled = default == each.source == AUTO
        plain = each.source == "default" or settled or (default and _same(each.value, default))
        (rest if plain else chosen).append(each)
    path = typed(run.folder / "train_config.yaml")
    command = f"styledial train --config {path} training.output_dir=NEW"
    lines = [
        say(
            f"`{command}` repeats the run.",
            f"`{command}` 可重复这次训练。",
        )
    ]
    tables = []
    if chosen:
        tables.append(_table(chosen, say("Other than by default", "与默认不同"), folded=False))
    if rest:
        tables.append(_table(rest, say("As by default", "与默认相同"), folded=True))
    return Section(name, title, lines, tables=tables)


def _table(settings: list[Setting], title: str, *, folded: bool) -> Table:
    head = [say("setting", "设置"), say("value", "值"), say("set by", "来源")]
    rows = [[f"{s.section}.{s.key}", s.value, _source(s.source)] for s in settings]
    return Table(head, rows, title=title, folded=folded)


def _source(source: str) -> str:
    return {"default": say("default", "默认"), "command line": say("command line", "命令行")}.get(
        source, source
    )


def _same(value: str, default: str) -> bool:
    """Whether two YAML scalars mean the same: 16.0 and 16 do."""
    if value == default:
        return True
    try:
        return bool(yaml.safe_load(value) == yaml.safe_load(default))
    except yaml.YAMLError:
        return False
