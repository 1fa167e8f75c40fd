"""What a report of a defect needs, to paste into an issue: nothing in it is private.

versions      StyleDial, Python, PyTorch, transformers, ...
machine       system, GPUs with their memory
settings      of the run, where one is named; a path is shown as (path)
the error     the newest styledial-error-*.txt here, if there is one
"""

from __future__ import annotations

import os
import platform
import re
import tempfile
from pathlib import Path

_SECRETS = re.compile(
    r"\b(?:hf|sk|ghp|api|wandb)[_-][A-Za-z0-9_-]{8,}"
    r"|(?<=--token[ =])\S+"
    r"|(?i:(?<=token=)|(?<=api_key=)|(?<=password=)|(?<=secret=))[^\s,;'\"]+"
    r"|\b[0-9a-f]{40}\b"
)
_ABSOLUTE = re.compile(r"(?<![\w.:/~)])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\:'\",]+[/\\])*[^\s/\\:'\",]+")
_WORDS = ("bundled", "self", "off", "auto")


def public(text: str) -> str:
    """`text` without keys and tokens, and without where files lie; of a program's file its last
    parts stay, by which a traceback is read."""

    def shortened(found: re.Match[str]) -> str:
        parts = re.split(r"[/\\]", found[0])
        return ".../" + "/".join(parts[-2:]) if parts[-1].endswith(".py") else "(path)"

    return _ABSOLUTE.sub(shortened, _SECRETS.sub("(secret)", text))


def defect_report(run: Path | None) -> str:
    """The whole report, as Markdown. Raises AdapterError where `run` isn't a run's folder."""
    parts = [("Versions", _versions()), ("Machine", _machine())]
    if run is not None:
        parts.append(("Settings", _settings(run)))
    if error := _newest_error():
        parts.append(("Error", public(error)))
    return "\n\n".join(f"### {title}\n\n```\n{text.strip()}\n```" for title, text in parts)


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    from styledial.monitor.environment import versions

    found = versions()
    for package in ("bitsandbytes", "flash-attn", "numpy", "huggingface-hub"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return "\n".join(f"{name}: {number}" for name, number in found.items())


def _machine() -> str:
    import torch

    from styledial.units import memory_size

    lines = [f"system: {platform.platform()}", f"cores: {os.cpu_count()}"]
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        lines.append(f"GPU {index}: {card.name}, {memory_size(card.total_memory)}")
    if not torch.cuda.is_available():
        lines.append("GPU: none")
    return "\n".join(lines)


def _settings(run: Path) -> str:
    from styledial.config import SECTIONS, resolve
    from styledial.config.allowed import as_yaml
    from styledial.config.paths import PATHS
    from styledial.models.adapter import describe_adapter
    from styledial.run_folder.layout import SETTINGS

    path = run / SETTINGS
    if not path.is_file():
        describe_adapter(run)  # says what is wrong with a folder that is no run
        return "(no settings in this folder)"
    config = resolve(path)
    lines = []
    for section, kind in SECTIONS.items():
        lines.append(f"{section}:")
        for key in kind.model_fields:
            name, value = f"{section}.{key}", config.value_of(f"{section}.{key}")
            hidden = name in PATHS and value not in _WORDS and not _on_a_hub(name, str(value))
            lines.append(f"  {key}: {'(path)' if hidden else public(as_yaml(value))}")
    return "\n".join(lines)


def _on_a_hub(name: str, value: str) -> bool:
    if name != "model.model_name_or_path" or value[0] in "./~\\" or value.count("/") != 1:
        return False
    return not Path(value).exists()


def _newest_error() -> str | None:
    folders = (Path.cwd(), Path(tempfile.gettempdir()))
    found = [path for each in folders for path in each.glob("styledial-error-*.txt")]
    newest = max(found, key=lambda path: path.stat().st_mtime, default=None)
    return newest.read_text(encoding="utf-8", errors="replace") if newest else None
