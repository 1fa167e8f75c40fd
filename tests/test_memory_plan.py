"""The plan against what small real models take, and against the step that training runs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from families import build_family
from marks import slow_but
from real_updates import LENGTH, make_updates, measured_peak, small_config, small_model

from styledial.build.model import build_policy
from styledial.memory import skeleton
from styledial.memory.plan import plan
from styledial.memory.rehearse import rehearse, rows_of
from styledial.memory.trace import Trace, Tracker
from styledial.models.configuration import model_config

CASES = {
    "qwen2": ("qwen2", False, []),
    "qwen2, no checkpointing": ("qwen2", False, ["gradient_checkpointing=false"]),
    "qwen2, every second layer": ("qwen2", False, ["gradient_checkpointing=every_second"]),
    "qwen2, packed": ("qwen2", True, []),
    "qwen2, packed, no checkpointing": ("qwen2", True, ["gradient_checkpointing=false"]),
    "qwen2, accumulation": (
        "qwen2", False, ["gradient_accumulation_steps=2", "gradient_checkpointing=false"]),
    "qwen2, without KL": ("qwen2", False, ["kl_mode=off", "gradient_checkpointing=false"]),
    "qwen2, all weights": ("qwen2", False, ["use_peft=false", "gradient_checkpointing=false"]),
    "llama": ("llama", False, []),
    "llama, packed, no checkpointing": ("llama", True, ["gradient_checkpointing=false"]),
    "llama, without KL, accumulation": (
        "llama", False, ["kl_mode=off", "gradient_accumulation_steps=2"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: small_model(kind, folder / kind) for kind in ("qwen2", "llama")}


@pytest.mark.parametrize("name", slow_but(CASES, "qwen2, packed"))
def test_planned_is_measured(name: str, models: dict[str, Path]) -> None:
    kind, packed, settings = CASES[name]
    config = small_config(models[kind], *settings)
    found = plan(config, device="cpu", packed=packed)
    assert found.allocated == pytest.approx(measured_peak(config, packed=packed), rel=0.02)
    assert sum(found.breakdown.values()) == found.allocated


@pytest.mark.slow
def test_adapted_experts_are_planned(tmp_path: Path) -> None:
    """Their matrices of rank 8 with Adam's two, and a layer's experts once more at work."""
    base = build_family("qwen3_moe", tmp_path / "base")
    shape = json.loads((base / "config.json").read_text())
    wide = {"hidden_size": 256, "moe_intermediate_size": 1024}
    (base / "config.json").write_text(json.dumps({**shape, **wide}))
    layer = 4 * 3 * 256 * 1024 * 2  # experts x (gate, up, down) in bfloat16
    without, planned = (
        plan(small_config(base, f"model.lora_experts={on}", "model.dtype=bfloat16"), device="cuda")
        for on in ("false", "true")
    )
    more = {kind: planned.breakdown[kind] - without.breakdown[kind] for kind in planned.breakdown}
    assert more["weights"] == 0
    # Two layers of four experts: in and out of gate_up_proj, in and out of down_proj, in fp32.
    assert more["adapter"] == 2 * 4 * 8 * (256 + 2 * 1024 + 1024 + 256) * 4
    assert more["optimizer"] == 2 * more["adapter"] + 8 * 512  # and a count for each matrix
    assert more["activations"] > layer


@pytest.mark.slow  # as measured: test_planned_is_measured
@pytest.mark.parametrize("packed", [False, True])
def test_the_plan_rehearses_the_step_that_training_runs(
    packed: bool, models: dict[str, Path]
) -> None:
    """Both traced: the same operations make the same storages in the same phases."""
    config = small_config(models["qwen2"], "gradient_accumulation_steps=2", "lora_dropout=0.1")
    planned = rehearse(
        config,
        model_config(config.model.model_name_or_path),
        packed=packed,
        dtype=torch.float32,
        on_gpu=False,
        rows=rows_of(config),
        thorough=True,
    )
    policy = build_policy(config)
    tracker = Tracker(1)

    def phase(name: str) -> None:
        tracker.phase = {"data": "batch"}.get(name, name)

    for tensor, kind in skeleton.weights_of(policy):
        tracker.see(tensor, "weights", kind)
    with tracker:
        make_updates(config, policy, packed=packed, phase=phase)
    assert storages(planned) == storages(tracker.trace)


def storages(trace: Trace) -> Counter[tuple[str, str, int]]:
    """How often each (phase, operation, bytes) came; without what is as small as the token ids,
    which are looked at for texts that share a row."""
    return Counter(
        (s.phase, s.operation, s.size)
        for s in trace.storages
        if s.size > 8 * 4 * (LENGTH + 1) and s.phase in ("reference", "forward", "loss", "backward")
    )
