"""What each rule finds, in a few words for the screen; docs/doctor.md lists the rules by name."""

from __future__ import annotations

TITLES = {
    "learning_rate_too_high": ("learning rate too high", "学习率过高"),
    "budget_exceeded": ("stronger than asked", "超过目标强度"),
    "memorising": ("memorises the books", "背下了原文"),
    "overfitting": ("trained too long", "训练过久（过拟合）"),
    "not_fluent": ("not fluent", "续写不流畅"),
    "forgetting": ("general ability lost", "通用能力下降"),
    "too_little_data": ("too little text", "文本偏少"),
    "learning_rate_too_low": ("learning rate too low", "学习率过低"),
    "budget_not_reached": ("weaker than asked", "未达到目标强度"),
    "style_saturated": ("nothing more to learn from this text", "这些文本已学到头"),
    "slow_reference": ("time lost: the base is run again", "耗时：重复计算基座"),
    "slow_small_micro_batch": ("time lost: small micro-batches", "耗时：微批次太小"),
    "slow_checkpoints": ("time lost: checkpoints", "耗时：检查点太频繁"),
    "budget_binding": ("could be stronger", "还可以更强"),
    "memory_headroom": ("memory to spare", "内存有余"),
}
