"""What is exported: the adapter, its base, and the strengths asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from styledial.dial import FILE as DIAL
from styledial.dial import DialPoint, load_dial, rising_part, strongest
from styledial.errors import AdapterError, UserError
from styledial.files import is_gguf
from styledial.inference.strengths import scale_at
from styledial.models.adapter import base_of, describe_adapter
from styledial.models.identity import Base
from styledial.models.load import quiet_libraries
from styledial.models.locate import ready_folder
from styledial.run_folder.layout import ADAPTER_SETTINGS, EXPORT, SETTINGS
from styledial.run_folder.metrics import is_number
from styledial.strength import MAX, NAMED, parse_strengths

FULL = "full"  # the adapter as it was trained


@dataclass(frozen=True)
class At:
    """One strength: `kl` in nats per token at `scale` times the adapter; None if never measured."""

    name: str
    kl: float | None
    scale: float


@dataclass(frozen=True)
class Source:
    """An adapter ready to be exported. `points` is its dial, empty where none was measured."""

    adapter: Path
    base: Base
    base_folder: Path
    name: str
    summary: dict[str, Any]
    points: list[DialPoint]

    @property
    def run(self) -> Path | None:
        """The run that knows the adapter's text: this folder, or the one that it was exported
        from."""
        outer = self.adapter.absolute().parent
        places = [self.adapter, *([outer.parent] if outer.name == EXPORT else [])]
        return next((place for place in places if (place / SETTINGS).is_file()), None)

    @property
    def base_gguf(self) -> Path | None:
        """The base's own file, where the run was trained on a GGUF file."""
        path = Path(self.base.model)
        return path if is_gguf(path) else None

    @property
    def full(self) -> At:
        """The adapter as it is."""
        kl = self.summary.get("kl_final", self.summary.get("kl_beta"))
        return At(FULL, kl if is_number(kl) else None, 1.0)


def read_source(adapter: Path, base_now: str | None = None) -> Source:
    """Raises AdapterError where there is no adapter or its base isn't the one it was trained on."""
    summary = describe_adapter(adapter)
    if not (adapter / ADAPTER_SETTINGS).is_file():
        raise AdapterError(
            f"{adapter}: holds a whole model (use_peft: false), which every program reads as it "
            "is; only adapters are exported.",
            f"{adapter}：这里是完整模型（use_peft: false），各程序可直接读取；只有适配器需要导出。",
        )
    quiet_libraries()
    base = base_of(adapter, base_now)
    trusted = bool(base.loading.get("trust_remote_code"))
    folder = ready_folder(base.model, trust_remote_code=trusted)
    points = load_dial(adapter) if (adapter / DIAL).is_file() else []
    name = re.sub(r"[^\w.]+", "-", adapter.resolve().name).strip("-.") or "style"
    return Source(adapter, base, folder, name, summary, points)


def chosen(source: Source, typed: str | None, *, several: bool) -> list[At]:
    """The strengths of --strength; left out: light, medium and strong as far as the adapter goes,
    or the full adapter where one is wanted or its dial was never measured.

    Raises UserError for one that is out of reach, AdapterError where the dial has to be measured.
    """
    if typed is None:
        reached = _named(source.points) if several else []
        return reached or [source.full]
    asked = parse_strengths(typed, "--strength")
    if not several and len(asked) > 1:
        raise UserError(
            f"--strength {typed}: this kind of export is one model; name one strength.",
            f"--strength {typed}：这种导出只有一个模型；请只写一个强度。",
        )
    points = source.points or load_dial(source.adapter)
    most = strongest(points).kl
    goals = [(each.folder, most if each.name == MAX else each.kl) for each in asked]
    return [At(name, kl, scale_at(points, kl)) for name, kl in goals]


def _named(points: Sequence[DialPoint]) -> list[At]:
    most = rising_part(points)[-1].kl if points else 0.0
    return [At(name, kl, scale_at(points, kl)) for name, kl in NAMED.items() if kl <= most]
