"""Messages during a run, each in English and Chinese."""

from __future__ import annotations

from typing import TYPE_CHECKING

from styledial.models import fsdp
from styledial.units import memory_size

if TYPE_CHECKING:
    from styledial.config import Config
    from styledial.config.schema import TrainingSettings
    from styledial.models.policy import Policy
    from styledial.training.row_order import RowOrder

Words = tuple[str, str]


def one_epoch_an_update(order: RowOrder) -> Words:
    """Of a text that is shorter than what an update was to take."""
    rows, asked = order.rows, order.effective_batch
    return (
        f"The text makes {rows} rows, fewer than the {asked} of an update: each update takes them "
        "all once, so an epoch is one update.",
        f"文本只有 {rows} 行，少于一次更新的 {asked} 行：每次更新各用一遍，一轮就是一次更新。",
    )


def answers() -> Words:
    """Of a base that is asked by its chat template."""
    return (
        "The base answers messages: samples and passages are answers in its chat template, without "
        "thinking. model.chat: off continues texts instead.",
        "基座是对话模型：样例与评估段落按其对话模板以回答形式生成（关闭思考）。"
        "若要直接续写，请设 model.chat: off。",
    )


def experts(*, adapted: bool) -> Words:
    """Of a mixture of experts: what of it is adapted, and who can serve the result."""
    if adapted:
        return (
            "model.lora_experts: the adapter is on the experts too, routers are frozen. PEFT reads "
            "such an adapter; llama.cpp doesn't, and vLLM doesn't for every family: to serve it, "
            "merge it (styledial merge).",
            "model.lora_experts：专家也加适配器，路由冻结。PEFT 能读取这样的适配器；"
            "llama.cpp 不能，vLLM 也只支持部分系列：要提供服务，请先合并（styledial merge）。",
        )
    return (
        "A mixture of experts: the adapter is on the layers that every token goes through, not on "
        "the experts. PEFT and vLLM serve it as it is. model.lora_experts: true adapts the experts "
        "too.",
        "混合专家模型：适配器加在每个 token 都经过的层上，不含专家；PEFT 和 vLLM 可直接使用。"
        "model.lora_experts: true 则专家也加适配器。",
    )


def mode(config: Config) -> Words:
    """Of a kl_mode without a KL to reach."""
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


def _limit(training: TrainingSettings) -> Words:
    """The setting that says how long the run is, and its value."""
    if training.max_steps > 0:
        return "max_steps", f"{training.max_steps}"
    return "num_train_epochs", f"{training.num_train_epochs:g}"


def fewer_updates(made: int, steps: int, training: TrainingSettings) -> Words:
    """Of a resume to an earlier end than the run has come to."""
    limit, now = _limit(training)
    return (
        f"--resume: {made} updates are made, and {limit} {now} are only {steps}; what was learnt "
        f"can't be taken back. Leave {limit} as it was or give more, or train anew with "
        "--overwrite or in another folder.",
        f"--resume：已完成 {made} 步，而 {limit} {now} 只有 {steps} 步；学过的无法撤销。"
        f"请保持原来的 {limit} 或给出更大的值，或用 --overwrite、换文件夹重新训练。",
    )


def nothing_to_add(made: int, training: TrainingSettings) -> Words:
    """Of a resumed run that has made all its updates; `made` of them."""
    limit, now = _limit(training)
    return (
        f"--resume: all {made} updates are made; only the end (scaling to the budget, samples, "
        f"summary) is done again. To train further, give a larger {limit} (now {now}).",
        f"--resume：{made} 步已全部完成，只重做收尾（缩放到预算、样例、总结）。"
        f"要继续训练，请给出更大的 {limit}（现为 {now}）。",
    )


def changed(differences: list[str]) -> Words:
    """Which settings of a resumed run are not as they were."""
    return (
        f"--resume: changed: {'; '.join(differences)}",
        f"--resume：有改动：{'；'.join(differences)}",
    )


def sharded(policy: Policy, processes: int) -> Words:
    """How much of the base each of the processes holds."""
    here, whole = memory_size(fsdp.bytes_here(policy)), memory_size(fsdp.base_bytes(policy))
    return (
        f"fsdp: the base's {whole} are sharded over {processes} processes, {here} on each",
        f"fsdp：基座共 {whole}，分到 {processes} 个进程，每个 {here}",
    )


def stepped_down(update: int, smaller: RowOrder) -> Words:
    """That memory ran out, and with which micro-batches the run continues."""
    return (
        f"update {update}: out of memory; again with batch size {smaller.batch_size} x "
        f"accumulation {smaller.accumulation}, from here on. The update is the same.",
        f"第 {update} 步：内存不足；改用单卡批次 {smaller.batch_size} × 累积 "
        f"{smaller.accumulation} 重做，此后照此进行。更新结果不变。",
    )


def reference_rows(saved: int) -> Words:
    """For how many rows the reference cache saved a forward pass of the base."""
    return (
        f"the base's outputs of {saved:,} rows were taken from the cache",
        f"{saved:,} 行的基座输出取自缓存，无需重算",
    )


def best(step: int, nll: float, last: int, planned: int) -> Words:
    """Which update's weights are kept, and why; `last` of `planned` updates were made."""
    early = (f" of {planned} (stopped early)", f"（共 {planned} 步，提前停止）")
    en, zh = early if last < planned else ("", "")
    return (
        f"kept: the weights after update {step}, with the lowest held-out NLL ({nll:.4f}); the "
        f"last update was {last}{en}",
        f"保留第 {step} 步之后的权重，其留出文本 NLL 最低（{nll:.4f}）；最后一步是第 {last} 步{zh}",
    )
