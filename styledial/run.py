"""A training run from configuration to files: the one place that wires the parts together."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from styledial import outputs, report
from styledial.adapter import SUMMARY, save_model, scale_adapter
from styledial.checkpoint import TrainState, checkpoints, load_checkpoint, save_checkpoint
from styledial.config import Config
from styledial.config.show import as_file
from styledial.controller import FixedCoefficient, KLController
from styledial.data.pack import PackedRows, pack
from styledial.data.passage import Passage
from styledial.data.texts import general_passages, style_passages
from styledial.errors import DataError
from styledial.evaluators.distance import Distance, halves, measure
from styledial.files import write_json, write_text
from styledial.generate import continue_text
from styledial.landing import find_scale
from styledial.metrics import MetricsFile
from styledial.models.load import load_base, load_tokenizer, recompute_activations
from styledial.models.policy import Policy, with_all_weights, with_lora
from styledial.models.quantise import check_choice
from styledial.order import RowOrder
from styledial.prompts import sample_prompts
from styledial.screen import Screen
from styledial.trainer import Controller, StepMetrics, train

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SAMPLE_TOKENS = 120


@dataclass(frozen=True)
class Texts:
    """Everything that is read: packed rows of the novels and of the general text."""

    style: PackedRows
    heldout: PackedRows
    general: PackedRows
    prompts: tuple[str, ...]


def train_from_config(
    config: Config, *, resume: bool = False, overwrite: bool = False
) -> dict[str, Any]:
    """Train as `config` says and return the summary that is also written to summary.json.

    Raises UserError (bad folder, data or model) before anything is written or removed.
    """
    from accelerate import Accelerator, PartialState
    from accelerate.utils import set_seed

    started = time.perf_counter()
    folder = Path(config.training.output_dir).expanduser()
    # accelerate takes several CPU processes for one unless it is told that this is a CPU run.
    on_cpu = not torch.accelerator.is_available()
    first = PartialState(cpu=on_cpu).is_main_process
    screen = Screen(config.training.kl_beta, quiet=not first)
    if first:
        outputs.claim_output_dir(folder, resume=resume, overwrite=overwrite)
    passages = style_passages(config.data.data_dir, config.data.validation_split)

    set_seed(config.training.seed)
    tokenizer = load_tokenizer(
        config.model.model_name_or_path, trust_remote_code=config.model.trust_remote_code
    )
    policy = build_policy(config)
    accelerator = Accelerator(mixed_precision=_mixed_precision(config, policy), cpu=on_cpu)
    with accelerator.main_process_first():
        texts = prepare_texts(config, passages, tokenizer)
    screen.note(*_data_words(texts))

    order = RowOrder(
        len(texts.style), config.training.per_device_train_batch_size,
        config.training.gradient_accumulation_steps, accelerator.num_processes,
        config.training.seed,
    )  # fmt: skip
    total_steps = config.training.max_steps
    if total_steps < 0:
        total_steps = order.steps(config.training.num_train_epochs)

    if accelerator.is_main_process and not resume:
        outputs.clear_earlier_run(folder)
    policy.to(accelerator.device)
    policy.reference_to(accelerator.device)
    before = sample(policy, tokenizer, texts.prompts, config.training.seed, base=True)
    optimizer, scheduler = build_optimizer(config, policy, total_steps)
    controller = build_controller(config, accelerator.device)
    state = restore(folder, policy, optimizer, scheduler, controller) if resume else TrainState()
    wrapped, optimizer = accelerator.prepare(policy, optimizer)
    if accelerator.is_main_process:
        write_text(folder / "train_config.yaml", as_file(config))
        metrics_file = MetricsFile(folder / "metrics.jsonl", state.step)

    def on_log(metrics: StepMetrics) -> None:
        if accelerator.is_main_process:
            metrics_file.write(_record(metrics, order))
            screen.step(metrics)

    def after_step(state: TrainState) -> bool:
        if state.step % config.training.save_steps == 0 and state.step < total_steps:
            state.controller = controller.state_dict()
            if accelerator.is_main_process:
                save_checkpoint(
                    folder / outputs.CHECKPOINTS, state, policy.trainable_state(),
                    optimizer.state_dict(), scheduler.state_dict(),
                    config.training.save_total_limit,
                )  # fmt: skip
            accelerator.wait_for_everyone()
        return True

    with screen.training(total_steps, state.step):
        state = train(
            policy, texts.style, order, wrapped=wrapped, accelerator=accelerator,
            optimizer=optimizer, scheduler=scheduler, controller=controller, state=state,
            total_steps=total_steps, direction=config.training.kl_direction,
            max_grad_norm=config.training.max_grad_norm,
            use_reference=config.training.kl_mode != "off",
            log_every=config.training.logging_steps, on_log=on_log, after_step=after_step,
        )  # fmt: skip

    if not accelerator.is_main_process:
        accelerator.end_training()
        return {}
    landing = land(config, policy, texts.heldout, accelerator.device)
    style = distance(config, policy, texts.heldout, accelerator.device, halves(texts.heldout)[1])
    general = distance(config, policy, texts.general, accelerator.device)
    after = sample(policy, tokenizer, texts.prompts, config.training.seed, base=False)
    save_model(policy, tokenizer, folder)
    samples = [report.Sample(*each) for each in zip(texts.prompts, before, after, strict=True)]
    report.write_samples(folder / "samples.md", samples)
    summary = {
        "model": config.model.model_name_or_path,
        "kl_beta": config.training.kl_beta,
        "kl_mode": config.training.kl_mode,
        "kl_direction": config.training.kl_direction,
        **landing,
        "kl_final": style.kl,
        "style_nll_base": style.nll_base,
        "style_nll": style.nll,
        "general_nll_base": general.nll_base,
        "general_nll": general.nll,
        "general_kl": general.kl,
        "steps": state.step,
        "tokens": state.tokens,
        "tokens_per_second": state.tokens / max(state.seconds, 1e-9),
        "peak_memory_bytes": report.peak_memory_bytes(),
        "wall_seconds": time.perf_counter() - started,
        "versions": report.versions(),
    }
    write_json(folder / SUMMARY, summary)
    for line in report.closing_lines(summary, samples, folder):
        screen.note(line, line)
    accelerator.end_training()
    return summary


def prepare_texts(
    config: Config, passages: list[Passage], tokenizer: PreTrainedTokenizerBase
) -> Texts:
    """Tokenise and pack. Raises DataError where there is too little text to train and measure."""
    length = config.data.max_length
    style = pack([p for p in passages if p.split == "train"], tokenizer, length)
    heldout = pack([p for p in passages if p.split == "heldout"], tokenizer, length)
    for rows, en, zh in ((style, "training", "训练"), (heldout, "held-out", "留出")):
        if len(rows) == 0:
            raise DataError(
                f"data.data_dir: {config.data.data_dir} has too little text ({en} part is empty); "
                "add text, a few hundred characters at the very least.",
                f"data.data_dir：{config.data.data_dir} 的文本太少（{zh}部分为空）；"
                "请增加文本，至少几百字。",
            )
    general = pack(general_passages(config.data.general, "data.general"), tokenizer, length)
    return Texts(style, heldout, general, sample_prompts(passages[0].text[:5000]))


def build_policy(config: Config) -> Policy:
    check_choice(
        load_in_4bit=config.model.load_in_4bit, load_in_8bit=config.model.load_in_8bit,
        use_peft=config.model.use_peft, use_dora=config.model.use_dora,
    )  # fmt: skip
    base = load_base(
        config.model.model_name_or_path,
        dtype=config.model.dtype,
        attn_implementation=config.model.attn_implementation,
        trust_remote_code=config.model.trust_remote_code,
        load_in_4bit=config.model.load_in_4bit,
        load_in_8bit=config.model.load_in_8bit,
    )
    if config.training.gradient_checkpointing:
        recompute_activations(base)
    if not config.model.use_peft:
        return with_all_weights(base)
    return with_lora(
        base,
        r=config.model.lora_r,
        lora_alpha=config.model.alpha,
        lora_dropout=config.model.lora_dropout,
        target_modules=config.model.lora_target_modules,
        use_dora=config.model.use_dora,
        use_rslora=config.model.use_rslora,
    )


def build_optimizer(config: Config, policy: Policy, total_steps: int) -> tuple[Any, Any]:
    from transformers import get_scheduler

    optimizer = torch.optim.AdamW(
        [p for p in policy.parameters() if p.requires_grad],
        lr=config.training.learning_rate,
        weight_decay=config.training.weight_decay,
    )
    scheduler = get_scheduler(
        config.training.lr_scheduler_type,
        optimizer,
        num_warmup_steps=round(config.training.warmup_ratio * total_steps),
        num_training_steps=total_steps,
    )
    return optimizer, scheduler


def build_controller(config: Config, device: torch.device) -> Controller:
    if config.training.kl_mode == "budget":
        return KLController(config.training.kl_beta, device=device)
    value = config.training.kl_beta if config.training.kl_mode == "penalty" else 0.0
    return FixedCoefficient(value, device=device)


def restore(
    folder: Path, policy: Policy, optimizer: Any, scheduler: Any, controller: Controller
) -> TrainState:
    """Put everything back as the newest checkpoint has it; a fresh state where there is none."""
    found = checkpoints(folder / outputs.CHECKPOINTS)
    if not found:
        return TrainState()
    state, weights, rest = load_checkpoint(found[-1])
    policy.load_state_dict(weights, strict=False)
    optimizer.load_state_dict(rest["optimizer"])
    scheduler.load_state_dict(rest["scheduler"])
    controller.load_state_dict(state.controller)
    return state


def land(
    config: Config, policy: Policy, heldout: PackedRows, device: torch.device
) -> dict[str, float]:
    """Scale the adapter to the budget on one half of the held-out text; see landing.py."""
    rows = halves(heldout)[0]
    reached = distance(config, policy, heldout, device, rows).kl
    scale = 1.0
    if config.training.kl_mode == "budget" and policy.is_adapter:

        def kl_at(wanted: float) -> float:
            nonlocal scale
            scale_adapter(policy, wanted / scale)
            scale = wanted
            return distance(config, policy, heldout, device, rows).kl

        if reached > config.training.kl_beta:
            chosen, _ = find_scale(kl_at, config.training.kl_beta)
            scale_adapter(policy, chosen / scale)
            scale = chosen
    return {"kl_before_landing": reached, "adapter_scale": scale}


def distance(
    config: Config, policy: Policy, rows: PackedRows, device: torch.device,
    only: list[int] | None = None,
) -> Distance:  # fmt: skip
    return measure(
        policy, rows, batch_size=max(1, config.training.per_device_train_batch_size),
        device=device, direction=config.training.kl_direction, only=only,
    )  # fmt: skip


def sample(
    policy: Policy, tokenizer: PreTrainedTokenizerBase, prompts: tuple[str, ...], seed: int,
    *, base: bool,
) -> list[str]:  # fmt: skip
    def write(model: Any) -> list[str]:
        return [
            continue_text(model, tokenizer, prompt, max_new_tokens=_SAMPLE_TOKENS, seed=seed)
            for prompt in prompts
        ]

    if not base:
        return write(policy.model)
    with policy.as_base() as model:
        return write(model)


def _mixed_precision(config: Config, policy: Policy) -> str:
    """Autocast is for full tuning alone: a LoRA run has its precision in its weights."""
    if not torch.cuda.is_available() or config.model.dtype == "float32":
        return "no"
    if policy.head.dtype == torch.float16:
        return "fp16"
    return "no" if policy.is_adapter else "bf16"


def _record(metrics: StepMetrics, order: RowOrder) -> dict[str, float]:
    return {
        "step": metrics.step,
        "epoch": round(order.epoch(metrics.step), 4),
        "tokens": metrics.tokens,
        "train/nll": metrics.nll,
        "train/kl": metrics.kl,
        "train/anchor_kl": metrics.anchor_kl,
        "train/lambda": metrics.coefficient,
        "train/learning_rate": metrics.learning_rate,
        "train/grad_norm": metrics.grad_norm,
        "train/tokens_per_second": metrics.tokens_per_second,
    }


def _data_words(texts: Texts) -> tuple[str, str]:
    style, heldout = texts.style.total_targets, texts.heldout.total_targets
    return (
        f"style text: {style:,} tokens in {len(texts.style):,} rows; held out {heldout:,}",
        f"风格文本：{style:,} token，{len(texts.style):,} 行；留出 {heldout:,} token",
    )
