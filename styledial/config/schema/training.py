"""The settings under `training`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from styledial.config.kl_mode import AUTO, KLMode
from styledial.config.setting import FREE, OFF, SAID, SAME, Section, setting
from styledial.strength import in_words

_BANDS = in_words()

# Rows of a micro-batch that `auto` stands for where nothing can be planned: the guide's figure.
AUTO_BATCH = 4

Tracker = Literal["none", "all", "tensorboard", "wandb", "trackio", "swanlab"]
Scheduler = Literal["cosine", "cosine_with_min_lr", "linear", "constant", "constant_with_warmup"]


class TrainingSettings(Section):
    """How strong, how long, how large the steps."""

    output_dir: str = setting(
        "outputs/style",
        "Output folder for the adapter, metrics and samples.",
        "输出文件夹，存放适配器、指标与样例。",
        min_length=1,
        resume=FREE,
    )
    kl_beta: float = setting(
        0.1,
        f"Style strength, a KL budget in nats per token: {_BANDS[0]}.",
        f"风格强度，即 KL 预算（nats/token）：{_BANDS[1]}。",
        gt=0,
        le=10,
        resume=SAME,
    )
    kl_mode: Literal["auto", "anchor", "budget", "penalty", "off"] = setting(
        AUTO,
        "How kl_beta is reached. anchor: KL on the anchor text alone while training, and the "
        "adapter is scaled to kl_beta at the end; budget: KL on the novels too, held at kl_beta "
        "all along; auto: anchor, or budget without an adapter or anchor text; penalty: a fixed KL "
        "coefficient, where larger means weaker; off: plain fine-tuning.",
        "如何达到 kl_beta。anchor：训练中只在锚定文本上计 KL，最后把适配器缩放到 kl_beta；"
        "budget：小说上也计 KL，训练全程保持在 kl_beta；auto：即 anchor，没有适配器或锚定文本时为 "
        "budget；penalty：固定 KL 系数，越大风格越弱；off：普通微调。",
        resume=SAME,
    )
    kl_direction: Literal["reverse", "forward"] = setting(
        "reverse",
        "reverse: KL(tuned || base), which the guide's bands are for; forward: KL(base || tuned).",
        "reverse：KL(微调后 || 基座)，指南的强度分档以此为准；forward：KL(基座 || 微调后)。",
        resume=SAME,
    )
    kl_rows: float = setting(
        1.0,
        "Fraction of each update's rows that KL on the novels is read on, an unbiased estimate: "
        "less is faster, as the base reads only these rows.",
        "每次更新中计算小说 KL 的行所占比例（无偏估计）：越小越快，基座只需读这些行。",
        gt=0,
        le=1,
        resume=SAME,
    )
    kl_mask_target: Literal["on", "off"] = setting(
        OFF,
        "on: KL in training leaves the true next token out of both distributions, so that it does "
        "not oppose learning that token; kl_beta still means the whole KL.",
        "on：训练中的 KL 在两个分布中都不计真实的下一个 token，不与学习该 token 相抵；kl_beta "
        "仍指完整的 KL。",
        resume=SAME,
    )
    per_device_train_batch_size: Annotated[int, Field(ge=1, le=4096)] | Literal["auto"] = setting(
        AUTO_BATCH,
        "Sequences per step and GPU; the first thing to lower when memory runs out. auto: the "
        "largest that fits the GPU, with 4 x gradient_accumulation_steps sequences an update.",
        "单卡批次大小；显存不足时首先调小。auto：取显存放得下的最大值，每次更新仍为 "
        "4 × gradient_accumulation_steps 条。",
        resume=SAID,
    )
    gradient_accumulation_steps: int = setting(
        4,
        "Micro-batches per update; effective batch = batch size x accumulation x GPUs.",
        "梯度累积步数；有效批次 = 单卡批次 × 累积步数 × GPU 数。",
        ge=1,
        le=4096,
        resume=SAID,
    )
    learning_rate: float = setting(
        1e-4,
        "Peak learning rate; 5e-5 to 1e-4 suits 1.5B-14B models, tiny models want about 2e-3.",
        "学习率峰值；1.5B-14B 模型推荐 5e-5 到 1e-4，极小模型约 2e-3。",
        gt=0,
        le=1,
        resume=SAID,
    )
    num_train_epochs: float = setting(
        3.0,
        "Number of epochs, that is, passes over the novels.",
        "训练轮数。",
        gt=0,
        le=1000,
        resume=SAID,
    )
    max_steps: int = setting(
        -1,
        "Stop after this many updates; -1 trains for num_train_epochs.",
        "最多更新步数；-1 表示训练 num_train_epochs 轮。",
        allowed=("-1, or a whole number above 0", "-1，或大于 0 的整数"),
        ge=-1,
        le=2**31 - 1,
        resume=SAID,
    )
    warmup_ratio: float = setting(
        0.05,
        "Fraction of the updates used for learning-rate warm-up.",
        "学习率预热所占比例。",
        ge=0,
        lt=1,
        resume=SAID,
    )
    warmup_steps: int | None = setting(
        None,
        "Updates over which the learning rate rises, in place of warmup_ratio; null goes by that.",
        "预热的更新步数，设置后取代 warmup_ratio；null 表示按 warmup_ratio。",
        ge=0,
        resume=SAID,
    )
    lr_scheduler_type: Scheduler = setting(
        "cosine",
        "Learning-rate schedule after warm-up: cosine and linear fall to 0, cosine_with_min_lr to "
        "min_lr_ratio; constant has no warm-up, constant_with_warmup has.",
        "预热之后的学习率调度方式：cosine、linear 降到 0，cosine_with_min_lr 降到 min_lr_ratio；"
        "constant 不预热，constant_with_warmup 预热后不变。",
        resume=SAID,
    )
    min_lr_ratio: float = setting(
        0.1,
        "Where cosine_with_min_lr ends, as a fraction of learning_rate.",
        "cosine_with_min_lr 的终点，为 learning_rate 的多少。",
        ge=0,
        lt=1,
        resume=SAID,
    )
    weight_decay: float = setting(
        0.0,
        "AdamW weight decay.",
        "AdamW 权重衰减。",
        ge=0,
        le=1,
        resume=SAID,
    )
    max_grad_norm: float = setting(
        1.0,
        "Gradients are clipped to this norm.",
        "梯度裁剪的范数上限。",
        gt=0,
        resume=SAID,
    )
    max_skipped_updates: int = setting(
        16,
        "Updates with a non-finite loss or gradient are skipped; this many in a row end the run.",
        "损失或梯度非有限值（NaN 或无穷）的更新会被跳过；连续这么多次则结束训练。",
        ge=1,
        resume=FREE,
    )
    reference_cache: str = setting(
        "auto",
        "Cache the base's hidden states on disk, so that later epochs need no forward pass of "
        "the base: auto (if disk space allows), off, or a folder.",
        "把基座的隐藏状态缓存到磁盘，后续轮次不必再算基座前向：auto（空间足够时）、off 或文件夹。",
        min_length=1,
        resume=FREE,
    )
    gradient_checkpointing: bool | Literal["auto", "every_second"] = setting(
        "auto",
        "Recompute activations in the backward pass: far less memory, a third slower or more. "
        "auto: of none, every second layer and all layers, the fastest that fits the memory.",
        "反向时重算激活：大幅省显存，慢三分之一以上。auto：在不重算、每两层重算一层、全部重算之间，"
        "选显存放得下的最快的一种。",
        resume=FREE,
    )
    report_to: Tracker | list[Tracker] = setting(
        "none",
        "Experiment trackers: none, tensorboard, wandb, trackio, swanlab, a list of them, or "
        "all that are installed.",
        "实验跟踪工具：none、tensorboard、wandb、trackio、swanlab、其列表，或 all（全部已安装"
        "的）。",
        resume=FREE,
    )
    logging_steps: int = setting(
        1,
        "Log metrics every this many updates.",
        "每隔多少步记录一次指标。",
        ge=1,
        resume=FREE,
    )
    save_steps: int = setting(
        200,
        "Save a checkpoint every this many updates.",
        "每隔多少步保存一次检查点。",
        ge=1,
        resume=FREE,
    )
    save_total_limit: int = setting(
        2,
        "Number of checkpoints to keep; older ones are removed.",
        "保留的检查点个数，更早的会被删除。",
        ge=1,
        resume=FREE,
    )
    load_best_model_at_end: bool = setting(
        False,
        "Keep the weights of the update with the lowest held-out loss (read a dozen times) in "
        "place of the last ones; KL is brought to kl_beta from there.",
        "保留留出文本损失最低的那次更新的权重（全程约读取十二次），而非最后的权重；"
        "再由此调到 kl_beta。",
        resume=SAID,
    )
    early_stopping_patience: int | None = setting(
        None,
        "Stop after so many readings of the held-out text in a row without a lower loss, and keep "
        "the best weights; null trains to the end.",
        "留出文本损失连续这么多次读取没有降低就停止，并保留最佳权重；null 表示训练到底。",
        ge=1,
        resume=SAID,
    )
    evaluate_at_end: Literal["auto", "quick", "full", "off"] = setting(
        "auto",
        "Measure style, general ability, fluency and copying when the run ends: quick (a few "
        "passages), auto (quick, unless that takes more than a tenth of the training), full (as "
        "`styledial evaluate`), off.",
        "训练结束时评估风格、通用能力、流畅度与照抄：quick（少量段落）、auto（同 quick，"
        "但耗时超过训练的十分之一时跳过）、full（同 styledial evaluate）或 off。",
        resume=FREE,
    )
    fsdp: Literal["auto", "on", "off"] = setting(
        "auto",
        "Shard the base's weights over the processes (FSDP2): auto (where they need more than "
        "half of a GPU), on, or off (each process holds all of them).",
        "将基座权重分片到各进程（FSDP2）：auto（超过单卡显存一半时）、on 或 off（每个进程存全"
        "部）。",
        resume=SAID,
    )
    seed: int = setting(
        42,
        "Random seed for data order, adapter initialisation and samples.",
        "随机种子。",
        ge=0,
        le=2**31 - 1,
        resume=SAME,
    )

    @property
    def mode(self) -> KLMode:
        """kl_mode, and what it means. Settings by themselves don't know what `auto` is, a Config
        does: here it is the way without adapter and anchor."""
        return KLMode.of_setting(self.kl_mode, adapter=False, anchor=False)

    @property
    def masks_target(self) -> bool:
        """Whether the KL in the loss leaves the true next token out."""
        return self.kl_mask_target != OFF

    @property
    def kl_target(self) -> float | None:
        """The KL to reach, nats per token; None without a budget."""
        return self.mode.target(self.kl_beta)

    @property
    def keeps_best(self) -> bool:
        """Whether the weights of the lowest held-out loss become the run's."""
        return self.load_best_model_at_end or self.early_stopping_patience is not None

    @property
    def micro_batch(self) -> int:
        """Sequences per step and GPU; AUTO_BATCH for an `auto` that no plan has settled."""
        size = self.per_device_train_batch_size
        return AUTO_BATCH if size == "auto" else size

    @property
    def recomputed(self) -> float:
        """The fraction of layers whose activations are recomputed; all for an `auto` that no
        plan has settled."""
        return {False: 0.0, "every_second": 0.5}.get(self.gradient_checkpointing, 1.0)

    @field_validator("max_steps")
    @classmethod
    def _no_zero_steps(cls, value: int) -> int:
        if value == 0:
            raise ValueError("0 updates")
        return value
