"""The plan against a real GPU: each preset with random weights, three updates, no download.

    python benchmarks/gpu_memory.py [--presets quick standard] [--memory 24GB] > gpu_memory.json

Each preset runs in a process of its own, allowed no more of the GPU than the memory that its file
claims (or --memory); a preset that needs more fails, and its line says so. JSON lines: what was
planned, `max_memory_reserved` and `max_memory_allocated` in bytes, planned / measured, device,
driver and versions. Anchor text is random rows, so nothing is sampled. Needs CUDA.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from styledial.config import Config

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

# Read by PyTorch when it first allocates; as `styledial train` sets it, and as the plan assumes.
os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", os.environ["PYTORCH_ALLOC_CONF"])  # before 2.10
UPDATES = 3


def main() -> None:
    from styledial.config import PRESETS

    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--presets", nargs="+", default=list(PRESETS))
    options.add_argument("--memory", help="in place of what a preset's file claims, as 24GB")
    options.add_argument("--one", help="run one preset in this process")
    given = options.parse_args()
    if given.one:
        print(json.dumps(one(given.one, given.memory)))
        return
    for preset in given.presets:
        more = ["--memory", given.memory] if given.memory else []
        done = subprocess.run(
            [sys.executable, __file__, "--one", preset, *more],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
            print(json.dumps({"preset": preset, "failed": reason}), flush=True)
        else:
            print(done.stdout.splitlines()[-1], flush=True)


def one(preset: str, memory: str | None) -> dict[str, object]:
    import torch

    from styledial.config import resolve
    from styledial.memory import gpus
    from styledial.memory.plan import plan

    config = resolve(None, preset, {}, ["data.anchor=bundled"])
    limit = gpus.memory_card(memory or claimed(preset)).memory
    card = gpus.found_card()
    if card is None:
        sys.exit("gpu_memory: CUDA is not available here")
    planned = plan(config, card=card, packed=False)
    context = planned.extras["cuda_context"]  # outside of the allocator, so outside of its limit
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, (limit - context) / total))
    seconds = train_on_random_weights(config)
    measured = torch.cuda.max_memory_reserved()
    driver = (
        subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=False,
        )
        .stdout.strip()
        .split("\n")[0]
    )
    return {
        "preset": preset,
        "limit_bytes": limit,
        "planned": planned.to_json(),
        "max_memory_reserved": measured,
        "max_memory_allocated": torch.cuda.max_memory_allocated(),
        "planned_over_measured": round(planned.reserved / measured, 4),
        "seconds_per_update": round(seconds, 3),
        "device": card.name,
        "driver": driver,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "transformers": version("transformers"),
        "bitsandbytes": version("bitsandbytes"),
    }


def claimed(preset: str) -> str:
    """The memory that the first line of a preset's file states."""
    from styledial.config.resolve import preset_path

    found = re.search(r"\((\d+) GB\)", preset_path(preset).read_text(encoding="utf-8"))
    assert found, preset
    return f"{found[1]}GB"


def train_on_random_weights(config: Config) -> float:
    """UPDATES of the real loop; returns the seconds of the last one."""
    import torch

    sys.path.insert(0, str(ROOT / "tests"))
    from real_updates import make_updates

    from styledial.models.frozen import frozen, recompute_activations
    from styledial.models.policy import with_lora

    settings = config.model
    base = random_base(config)
    frozen(base)
    if config.training.recomputed:
        recompute_activations(base, every=round(1 / config.training.recomputed))
    policy = with_lora(
        base,
        r=settings.lora_r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=settings.lora_target_modules,
    )
    policy.to("cuda")
    torch.cuda.empty_cache()  # of what making the model took
    torch.cuda.reset_peak_memory_stats()
    ends: list[float] = []

    def after_step(state: object, stop: bool) -> bool:
        torch.cuda.synchronize()
        ends.append(time.perf_counter())
        return True

    make_updates(config, policy, packed=False, updates=UPDATES, after_step=after_step)
    return ends[-1] - ends[-2]


def random_base(config: Config) -> Any:
    """The preset's model with random weights in bf16, made on the GPU one tensor at a time; those
    of NF4 are packed as they come, so that the whole model is never there in 16 bits."""
    import torch
    from transformers import AutoModelForCausalLM

    from styledial.memory import skeleton
    from styledial.models.configuration import model_config

    shape = model_config(config.model.model_name_or_path)
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(shape, dtype=torch.bfloat16)
        if config.model.load_in_4bit:
            skeleton.quantised(base, config.model, torch.bfloat16)
    for name, module in list(base.named_modules()):
        if "inv_freq" in module._buffers:  # computed when a module is made, not a weight
            base.set_submodule(name, type(module)(config=shape).to("cuda"))
        for key, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[key] = random_like(parameter, module)
    base.tie_weights()
    return base


def random_like(parameter: Any, module: Any) -> Any:
    import torch
    from bitsandbytes.nn import Params4bit

    values = torch.empty(parameter.shape, dtype=torch.bfloat16, device="cuda").normal_(0.0, 0.02)
    if not isinstance(parameter, Params4bit):
        return torch.nn.Parameter(values, requires_grad=False)
    packed = Params4bit(
        values.cpu(),
        requires_grad=False,
        compress_statistics=True,
        quant_type="nf4",
        module=module,
    )
    return packed.to("cuda")


if __name__ == "__main__":
    main()
