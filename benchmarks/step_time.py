"""What the KL term costs in a training step, with and without the reference cache.

    python benchmarks/step_time.py [--repeats 5 --tokens 512]

A LoRA step (forward, loss, backward) of the Qwen2.5-0.5B shape with random weights. The ways take
turns in one process; medians and their ratios are shown.

    floor          no KL (kl_mode: off), plus one product of the base's states with the head
    cached         KL, the base's hidden states read from the reference cache
    floor + base   the floor plus one forward of the base without gradients
    uncached       KL, the base's hidden states computed with the adapter off
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from transformers import Qwen2Config, Qwen2ForCausalLM  # noqa: E402

from styledial.data.pack import Batch  # noqa: E402
from styledial.models.head_products import logits  # noqa: E402
from styledial.models.policy import Policy, with_lora  # noqa: E402
from styledial.training.losses import CHUNK  # noqa: E402
from styledial.training.objective import LossSettings, MicroBatch, objective  # noqa: E402
from styledial.training.reference import ReferenceCache  # noqa: E402


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--tokens", type=int, default=512)
    given = options.parse_args()
    torch.manual_seed(0)
    shape = Qwen2Config(
        vocab_size=151_936,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    model = Qwen2ForCausalLM(shape).requires_grad_(False)
    policy = with_lora(model, r=8, lora_alpha=16, lora_dropout=0.0, target_modules="all-linear")
    policy.train()
    ids = torch.randint(shape.vocab_size, (1, given.tokens))
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        cache = ReferenceCache(Path(folder), "b", (1, given.tokens, 896), torch.float32)
        cache.put([0], policy.reference(ids))
        for turn in range(given.repeats + 1):
            for name, way in WAYS.items():
                started = time.perf_counter()
                way(policy, ids, cache)
                if turn:  # the first turn warms up
                    seconds[name].append(time.perf_counter() - started)
    found = {name: median(values) for name, values in seconds.items()}
    print("| step | seconds (median) | against |")
    print("|---|---|---|")
    for name, against in (
        ("floor", "floor"),
        ("cached", "floor"),
        ("floor + base", "floor + base"),
        ("uncached", "floor + base"),
    ):
        print(f"| {name} | {found[name]:.2f} | {found[name] / found[against]:.3f} x {against} |")


def step(policy: Policy, ids: torch.Tensor, reference: torch.Tensor | None) -> None:
    hidden = policy(ids)
    loss, _ = objective(
        policy.head,
        policy.reference_head,
        hidden,
        reference,
        MicroBatch(Batch(ids, ids, None), anchor=False, tokens=ids.numel()),
        coefficient=torch.tensor(0.5),
        settings=LossSettings(),
    )
    loss.backward()
    policy.zero_grad()


def floor(policy: Policy, ids: torch.Tensor, cache: ReferenceCache) -> None:
    step(policy, ids, None)
    states = cache.get([0], ids.device)
    assert states is not None
    out = torch.empty(CHUNK, policy.head.weight.shape[0])
    for part in states.flatten(0, 1).split(CHUNK):
        logits(part, policy.head, out[: len(part)])


def floor_and_base(policy: Policy, ids: torch.Tensor, cache: ReferenceCache) -> None:
    floor(policy, ids, cache)
    policy.reference(ids)


WAYS = {
    "floor": floor,
    "cached": lambda policy, ids, cache: step(policy, ids, cache.get([0], ids.device)),
    "floor + base": floor_and_base,
    "uncached": lambda policy, ids, cache: step(policy, ids, policy.reference(ids)),
}


if __name__ == "__main__":
    main()
