"""The settings under `model`."""

from __future__ import annotations

from typing import Literal

from styledial.config.setting import FREE, SAID, SAME, Section, setting


class ModelSettings(Section):
    """The base model and the adapter on it."""

    model_name_or_path: str = setting(
        "Qwen/Qwen2.5-7B",
        "Base model: a name on the hub, a local folder or GGUF file, or `bundled` (a tiny one, for "
        "trying out).",
        "基座模型：模型名、本地文件夹或 GGUF 文件，或 bundled（自带的极小模型，用于试跑）。",
        min_length=1,
        resume=SAME,
    )
    revision: str | None = setting(
        None,
        "Branch, tag or commit of a model on the hub; null takes the newest.",
        "模型仓库的分支、标签或提交；null 取最新。",
        min_length=1,
        resume=SAME,
    )
    use_peft: bool = setting(
        True,
        "true trains a LoRA adapter (recommended); false trains all weights.",
        "true 训练 LoRA 适配器（推荐）；false 训练全部权重。",
        resume=SAME,
    )
    lora_r: int = setting(
        8,
        "LoRA rank (4, 8, 16 or 32); larger learns more and costs a little more memory.",
        "LoRA 秩（4/8/16/32）；越大学得越多，显存略增。",
        ge=1,
        le=1024,
        resume=SAME,
    )
    lora_alpha: float | None = setting(
        None,
        "LoRA scaling; usually twice lora_r, which is also what null means.",
        "LoRA 缩放，通常是 lora_r 的 2 倍；null 即取 2 倍。",
        shown=16,
        gt=0,
        le=65536,
        resume=SAME,
    )
    lora_dropout: float = setting(
        0.0,
        "Dropout inside the adapter; with a KL budget it is rarely needed.",
        "适配器内的 dropout；有 KL 预算时一般不需要。",
        ge=0,
        lt=1,
        resume=SAID,
    )
    lora_target_modules: str | list[str] = setting(
        "all-linear",
        "Layers that get an adapter: all-linear, or a list of names such as [q_proj, v_proj].",
        "加适配器的层：all-linear，或名称列表，如 [q_proj, v_proj]。",
        resume=SAME,
    )
    lora_experts: bool = setting(
        False,
        "Adapt the experts of a mixture of experts too; routers stay frozen (docs/models.md).",
        "混合专家模型：专家也加适配器；路由始终冻结（见 docs/models.zh.md）。",
        resume=SAME,
    )
    use_rslora: bool = setting(
        False,
        "Scale the adapter by alpha / sqrt(r) in place of alpha / r; for large ranks.",
        "适配器按 alpha / sqrt(r) 而非 alpha / r 缩放；适合较大的秩。",
        resume=SAME,
    )
    use_dora: bool = setting(
        False,
        "Also train the norm of each weight row (DoRA): a little better, slower, more memory.",
        "同时训练权重各行的模长（DoRA）：略好，但更慢、更占显存。",
        resume=SAME,
    )
    load_in_4bit: bool = setting(
        False,
        "Load the base in 4 bits (NF4): a quarter of the memory; needs bitsandbytes.",
        "以 4 位（NF4）加载基座：显存约为四分之一；需要 bitsandbytes。",
        resume=SAME,
    )
    load_in_8bit: bool = setting(
        False,
        "Load the base in 8 bits (int8): half the memory; needs bitsandbytes.",
        "以 8 位（int8）加载基座：显存约为一半；需要 bitsandbytes。",
        resume=SAME,
    )
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = setting(
        "auto",
        "Precision of the base weights; auto is bfloat16 on a GPU that has it, float32 on a CPU.",
        "基座权重精度；auto 在支持的 GPU 上取 bfloat16，CPU 上取 float32。",
        resume=SAME,
    )
    chat: Literal["auto", "on", "off"] = setting(
        "auto",
        "Write samples and passages as answers in the base's chat template; auto: where the base "
        "is an instruct model, or the texts hold dialogues; off: continue texts.",
        "样例与评估段落是否按基座的对话模板以回答形式生成；auto：基座为对话模型或数据含对话时使用；"
        "off：一律续写。",
        resume=SAID,
    )
    attn_implementation: Literal["sdpa", "eager", "flash_attention_2"] = setting(
        "sdpa",
        "Attention kernel; flash_attention_2 needs the flash-attn package and a GPU.",
        "注意力实现；flash_attention_2 需要安装 flash-attn 并有 GPU。",
        resume=SAID,
    )
    trust_remote_code: bool = setting(
        False,
        "Run Python code that comes with the model; leave false unless you trust its author.",
        "是否执行模型自带的 Python 代码；除非信任作者，请保持 false。",
        resume=FREE,
    )

    @property
    def alpha(self) -> float:
        """LoRA alpha in force."""
        return self.lora_alpha if self.lora_alpha is not None else 2.0 * self.lora_r
