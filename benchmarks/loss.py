"""The fused loss against the naive one, and Liger's chunked distillation beside them.

    python benchmarks/loss.py [--rows 2048 --width 896 --vocabulary 151936 --repeats 5]

Each reading is a fresh process (loss and gradient once to warm up, once timed), the ways take
turns, and medians are shown. Extra peak memory is the high-water mark of resident memory above
what the inputs take, on Linux. Liger's loss is its linear JSD with beta 0 and equal weights,
doubled, which is the same number; it is run without torch.compile, which needs a compiler. It
needs `pip install --no-deps liger-kernel`; without it, its line says so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--rows", type=int, default=2048)
    options.add_argument("--width", type=int, default=896)
    options.add_argument("--vocabulary", type=int, default=151_936)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--ways", nargs="+", default=["naive", "fused", "liger"])
    options.add_argument("--one", help="take one reading and print it as JSON")
    given = options.parse_args()
    if given.one:
        print(json.dumps(reading(given.one, given.rows, given.width, given.vocabulary)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in given.ways}
    for _ in range(given.repeats):
        for way in given.ways:
            command = [
                sys.executable,
                __file__,
                "--one",
                way,
                "--rows",
                str(given.rows),
                "--width",
                str(given.width),
                "--vocabulary",
                str(given.vocabulary),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{way}: {done.stderr.strip().splitlines()[-1]}")
                continue
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
    print("| way | seconds | x naive | extra peak GiB | x naive | loss |")
    print("|---|---|---|---|---|---|")
    base = {key: median(r[key] for r in found["naive"]) for key in ("seconds", "bytes")}
    for way, readings in found.items():
        if readings:
            seconds, extra = (median(r[key] for r in readings) for key in ("seconds", "bytes"))
            print(
                f"| {way} | {seconds:.2f} | {seconds / base['seconds']:.2f} | {extra / 2**30:.2f} | "
                f"{extra / base['bytes']:.3f} | {readings[0]['loss']:.6f} |"
            )


def reading(way: str, rows: int, width: int, vocabulary: int) -> dict[str, float]:
    import torch

    generator = torch.Generator().manual_seed(0)
    h = torch.randn(rows, width, generator=generator)
    r = h + 0.2 * torch.randn(rows, width, generator=generator)
    head = torch.randn(vocabulary, width, generator=generator) / width**0.5
    targets = torch.randint(vocabulary, (rows,), generator=generator)
    loss_of = {"naive": naive, "fused": fused, "liger": liger}[way]
    before = resident("VmRSS")
    reset_high_water()
    for _ in range(2):  # the second is the reading
        policy = h.clone().requires_grad_()
        started = time.perf_counter()
        loss = loss_of(policy, r, head, targets)
        loss.backward()
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "bytes": resident("VmHWM") - before, "loss": loss.item()}


def naive(h, r, head, targets):  # type: ignore[no-untyped-def]
    """Mean NLL + reverse KL, as anybody would write it."""
    import torch
    from torch.nn import functional as F

    logits = h @ head.T
    with torch.no_grad():
        log_q = (r @ head.T).log_softmax(-1)
    log_p = logits.log_softmax(-1)
    kl = F.kl_div(log_q, log_p, log_target=True, reduction="none").sum(-1)
    return F.cross_entropy(logits, targets) + kl.mean()


def fused(h, r, head, targets):  # type: ignore[no-untyped-def]
    import torch

    from styledial.models.head import OutputHead
    from styledial.training.losses import fused_nll_kl

    share = torch.full((len(h),), 1 / len(h))
    return fused_nll_kl(h, r, OutputHead(head), targets, share, share, direction="reverse").loss


def liger(h, r, head, targets):  # type: ignore[no-untyped-def]
    from liger_kernel.chunked_loss import LigerFusedLinearJSDLoss

    loss = LigerFusedLinearJSDLoss(
        weight_hard_loss=0.5, weight_soft_loss=0.5, beta=0.0, compiled=False, chunk_size=1024
    )
    return 2 * loss(h, head, r, head, targets)


def resident(name: str) -> int:
    """VmRSS or VmHWM (its high-water mark) of this process, bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit("extra peak memory is read from /proc, which this system lacks")


def reset_high_water() -> None:
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main()
