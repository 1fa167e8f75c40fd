"""Taking up a finished run again: measuring its dial and exporting strengths of it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from styledial import build
from styledial.adapter import (
    SUMMARY,
    describe_adapter,
    load_adapter,
    save_model,
    scale_adapter,
    scaled,
)
from styledial.config import Config, resolve
from styledial.dial import DialPoint, read_points, save_dial, scale_for
from styledial.errors import AdapterError
from styledial.evaluators.distance import measure
from styledial.files import write_json
from styledial.models.load import quiet_libraries


def measure_dial(folder: Path, data_dir: str | None = None) -> None:
    """Measure a finished adapter at every scale of the dial and write style_dial.json.

    The text is read as the run read it, so its held-out part has never been trained on. Costs
    one reading of held-out and general text per scale.
    """
    quiet_libraries()
    config = described_run(folder, data_dir)
    policy, tokenizer = load_adapter(
        folder, dtype=config.model.dtype,
        load_in_4bit=config.model.load_in_4bit, load_in_8bit=config.model.load_in_8bit,
    )  # fmt: skip
    if not policy.is_adapter:
        raise AdapterError(
            f"{folder}: all weights were tuned; only an adapter can be dialled (use_peft: true).",
            f"{folder}：这是全量微调的模型；只有适配器可以调节强度（use_peft: true）。",
        )
    with tempfile.TemporaryDirectory(prefix="styledial-") as passing:
        material = build.read_material(config, Path(passing), lambda line: None)
    texts = build.prepare_texts(config, material, tokenizer)
    reading: dict[str, Any] = {
        "batch_size": config.training.per_device_train_batch_size,
        "device": policy.head.device, "direction": config.training.kl_direction,
    }  # fmt: skip

    base: dict[str, float] = {}

    def measure_at(scale: float) -> tuple[float, float, float]:
        with scaled(policy, scale):
            style = measure(policy, texts.heldout, **reading)
            general = measure(policy, texts.general, **reading)
        base.update(style_nll=style.nll_base, general_nll=general.nll_base)
        return style.kl, style.nll, general.nll

    save_dial(folder, config.training.kl_beta, read_points(measure_at), base)


def described_run(folder: Path, data_dir: str | None) -> Config:
    """The configuration that a run left beside its adapter; raises AdapterError without one."""
    describe_adapter(folder)
    path = folder / "train_config.yaml"
    if not path.is_file():
        raise AdapterError(
            f"{folder}: has no train_config.yaml, so its text isn't known. Name the output_dir "
            "of a run of StyleDial.",
            f"{folder}：没有 train_config.yaml，无法得知所用文本。"
            "请写 StyleDial 训练的 output_dir。",
        )
    return resolve(path, None, {"data.data_dir": data_dir})


def export_strengths(
    folder: Path, points: Sequence[DialPoint], wanted: Mapping[str, float]
) -> list[Path]:
    """Write `folder`/export/NAME for each strength: plain PEFT adapters, scaled inside.

    Raises UserError for a strength out of reach before anything is written.
    """
    quiet_libraries()
    scales = {name: scale_for(points, kl) for name, kl in wanted.items()}
    written = []
    policy, tokenizer = load_adapter(folder)
    strength = 1.0
    for name, scale in scales.items():
        scale_adapter(policy, scale / strength)
        strength = scale
        target = folder / "export" / name
        save_model(policy, tokenizer, target)
        described = {
            "model": describe_adapter(folder)["model"], "kl_beta": wanted[name],
            "dialled_from": folder.name, "adapter_scale": scale,
        }  # fmt: skip
        write_json(target / SUMMARY, described)
        written.append(target)
    return written
