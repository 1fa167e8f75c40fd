"""Runs that go wrong in one way each, on the tests' tiny base, and one that doesn't.

Each is the preset `quick` with what `running.small_run` says (60 updates of 8 rows of 64 tokens,
LoRA of rank 4 at 0.005, a budget of 0.1) but for the settings below, of which the last of a name
counts. `data_dir=SHORT` stands for a page of a novel, `MIDDLE` for a few pages.
"""

from __future__ import annotations

from pathlib import Path

SHORT, MIDDLE = "SHORT", "MIDDLE"
_CHARACTERS = {SHORT: 850, MIDDLE: 3_200}

HEALTHY = "healthy"
# All weights without a budget: what the guide's dial is there to prevent.
_PLAIN = ("kl_mode=off", "use_peft=false", "learning_rate=0.003")

# The run in which each rule is to find its pathology; the healthy one is conftest.finished_run.
RUNS: dict[str, tuple[str, ...]] = {
    HEALTHY: ("evaluate_at_end=quick",),
    "learning_rate_too_high": ("learning_rate=0.1", "max_steps=12"),
    "learning_rate_too_low": ("learning_rate=0.00005",),
    "budget_binding": ("kl_beta=0.08",),
    "budget_not_reached": ("max_steps=10",),
    "budget_exceeded": ("use_peft=false", "learning_rate=0.003", "kl_beta=0.02", "max_steps=12"),
    "style_saturated": ("kl_beta=1", "lora_r=64", "learning_rate=0.01", "max_steps=120"),
    "too_little_data": (f"data_dir={SHORT}", "lora_r=32"),
    "overfitting": (f"data_dir={MIDDLE}", *_PLAIN, "max_steps=120"),
    "memorising": (f"data_dir={SHORT}", *_PLAIN, "max_steps=150"),
    "forgetting": _PLAIN,
    "not_fluent": (
        *_PLAIN,
        "learning_rate=0.1",
        "lr_scheduler_type=constant",
        "max_steps=12",
        "evaluate_at_end=quick",
    ),
    "slow_reference": ("reference_cache=off",),
    "slow_small_micro_batch": (
        "per_device_train_batch_size=1",
        "gradient_accumulation_steps=8",
        "max_steps=18",
    ),
    "slow_checkpoints": ("save_steps=1",),
    "memory_headroom": ("gradient_checkpointing=true", "max_steps=18"),
}


def settings_of(name: str, novels: Path, scratch: Path) -> list[str]:
    """The settings of a run, with its pages of a novel written into `scratch`."""
    found = ["evaluate_at_end=off"]
    for setting in RUNS[name]:
        key, _, value = setting.partition("=")
        if value in _CHARACTERS:
            folder = scratch / value.lower()
            folder.mkdir(exist_ok=True)
            text = (novels / "one.txt").read_text(encoding="utf-8")
            (folder / "one.txt").write_text(text[: _CHARACTERS[value]], encoding="utf-8")
            value = str(folder)
        found.append(f"{key}={value}")
    return found
