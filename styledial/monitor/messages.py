"""What a run says of itself while it goes on: pairs of sentences, English and Chinese."""

from __future__ import annotations

from typing import TYPE_CHECKING

from styledial.models import fsdp
from styledial.units import memory_size

if TYPE_CHECKING:
    from styledial.config import Config
    from styledial.models.policy import Policy
    from styledial.training.row_order import RowOrder

Words = tuple[str, str]


def mode(config: Config) -> Words:
    """Of a kl_mode that isn't `budget`."""
    beta = config.training.kl_beta
    if config.training.mode.reads_kl:
        return (
            f"kl_mode penalty: {beta:g} is a fixed KL coefficient; larger means a weaker style.",
            f"kl_mode penalty：{beta:g} 是固定的 KL 系数，越大风格越弱。",
        )
    return (
        "kl_mode off: plain fine-tuning; kl_beta has no effect.",
        "kl_mode off：普通微调；kl_beta 不起作用。",
    )


def changed(differences: list[str]) -> Words:
    return (
        f"--resume: changed: {'; '.join(differences)}",
        f"--resume：有改动：{'；'.join(differences)}",
    )


def sharded(policy: Policy, processes: int) -> Words:
    here, whole = memory_size(fsdp.bytes_here(policy)), memory_size(fsdp.base_bytes(policy))
    return (
        f"fsdp: the base's {whole} are sharded over {processes} processes, {here} on each",
        f"fsdp：基座共 {whole}，分到 {processes} 个进程，每个 {here}",
    )


def stepped_down(update: int, smaller: RowOrder) -> Words:
    return (
        f"update {update}: out of memory; again with batch size {smaller.batch_size} x "
        f"accumulation {smaller.accumulation}, from here on. The update is the same.",
        f"第 {update} 步：内存不足；改用单卡批次 {smaller.batch_size} × 累积 "
        f"{smaller.accumulation} 重做，此后照此进行。更新结果不变。",
    )


def reference_rows(saved: int) -> Words:
    return (
        f"the base's outputs of {saved:,} rows were taken from the cache",
        f"{saved:,} 行的基座输出取自缓存，无需重算",
    )
