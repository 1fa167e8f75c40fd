"""The ways that are compared: each makes whole optimizer updates of a LoRA adapter on its own loop.

    ours              StyleDial's loop, KL(tuned || base) computed each time
    ours_cached       the same with the base's hidden states kept, as from the second epoch on
    ours_rows         KL on a quarter of an update's rows, at least one (kl_rows: 0.25)
    ours_plain        the same without KL (kl_mode: off)
    trl               TRL's SFTTrainer with packing; its head works in tiles; no KL
    trl_divergence    NLL and KL by TRL's tiled heads, on transformers' Trainer
    hf_plain          transformers' Trainer with the model's own loss over full logits; no KL
    hf_kl             transformers' Trainer with NLL + KL as anybody would write it, over full logits
    asft              DFT + 0.1 KL(base || tuned) over full logits, against a second copy of the
                      base, as LLaMA-Factory sets ASFT up (arXiv 2509.23753)
    liger_jsd         NLL + KL by Liger's fused linear JSD, on transformers' Trainer
    liger_ce          Liger's fused linear cross entropy, on transformers' Trainer; no KL; GPU only

Weights in fp32 on a CPU and bf16 on a GPU, the adapter in fp32, AdamW, constant learning rate,
gradients clipped at 1. Whoever needs the base's distribution switches the adapter off, but asft.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from material import CLIP, LEARNING_RATE, LORA, UPDATES, token_rows
from torch import Tensor
from torch.nn import functional as F
from turns import Turns

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
DTYPE = torch.bfloat16 if DEVICE.type == "cuda" else torch.float32
SEED = 42


@dataclass(frozen=True)
class Work:
    """One piece's work: `rows` sequences of `length` tokens an update, of the model in `folder`."""

    shape: str
    folder: Path
    rows: int
    length: int
    checkpointing: bool


# --- StyleDial


def _our_settings(work: Work, mode: str, kl_rows: float) -> list[str]:
    return [
        f"training.kl_rows={kl_rows}",
        f"model.model_name_or_path={work.folder}",
        f"model.lora_r={LORA['r']}",
        f"model.lora_alpha={LORA['lora_alpha']}",
        f"model.lora_dropout={LORA['lora_dropout']}",
        f"data.max_length={work.length}",
        "data.anchor=off",
        f"training.per_device_train_batch_size={work.rows}",
        "training.gradient_accumulation_steps=1",
        f"training.kl_mode={mode}",
        f"training.learning_rate={LEARNING_RATE}",
        "training.lr_scheduler_type=constant",
        f"training.gradient_checkpointing={str(work.checkpointing).lower()}",
    ]


def ours(
    work: Work, turns: Turns, *, mode: str = "budget", cached: bool = False, kl_rows: float = 1.0
) -> None:
    """The training loop itself; only what surrounds it (texts, checkpoints, screen) is left out."""
    from styledial.build.kl import build_controller
    from styledial.build.model import build_optimizer, policy_on
    from styledial.config import resolve
    from styledial.data.pack import PackedRows
    from styledial.distributed.consensus import Consensus
    from styledial.models.load import load_base
    from styledial.training.checkpoint import TrainState
    from styledial.training.components import Components, Hooks
    from styledial.training.loop import train
    from styledial.training.nonfinite import UpdateCounters
    from styledial.training.reference import ReferenceCache, References
    from styledial.training.row_order import RowOrder

    config = resolve(None, None, {}, _our_settings(work, mode, kl_rows))
    base = load_base(str(work.folder), dtype=str(DTYPE).removeprefix("torch."))
    base.to(DEVICE)
    turns.loaded()
    torch.manual_seed(SEED)
    policy = policy_on(base, config).to(DEVICE)
    tokens = token_rows(work.shape, work.folder, work.length, work.rows)
    rows = PackedRows(tokens, [[(0, work.length + 1)]] * len(tokens))
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=DEVICE.type == "cpu")
    optimizer, scheduler = build_optimizer(config, policy, UPDATES)
    with tempfile.TemporaryDirectory() as folder:
        shape = (len(rows), work.length, policy.head.weight.shape[1])
        cache = ReferenceCache(Path(folder), "peers", shape, DTYPE) if cached else None
        parts = Components(
            policy=policy,
            wrapped=accelerator.prepare_model(policy, evaluation_mode=True),
            rows=rows,
            accelerator=accelerator,
            consensus=Consensus(1),
            optimizer=accelerator.prepare_optimizer(optimizer),
            scheduler=scheduler,
            controller=build_controller(config, DEVICE),
            counters=UpdateCounters(DEVICE),
            references=References(policy, cache, None) if mode != "off" else None,
            kl_rows=config.training.kl_rows,
            max_grad_norm=CLIP,
        )
        logged: list[Any] = []

        def after_step(state: TrainState, stop: bool) -> bool:
            metrics = logged.pop()
            turns.end(nll=metrics.nll, kl=metrics.kl)
            return turns.begin()

        turns.ready()
        if turns.begin():
            order = RowOrder(len(rows), work.rows, 1, 1, 0)
            hooks = Hooks(on_log=logged.append, after_step=after_step)
            train(parts, order, TrainState(), total_steps=UPDATES, hooks=hooks)


# --- transformers' Trainer and what is built on it


def _plain_base(work: Work, turns: Turns) -> Any:
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(work.folder, dtype=DTYPE).to(DEVICE)
    base.config.use_cache = False
    turns.loaded()
    return base


def _lora() -> Any:
    from peft import LoraConfig

    return LoraConfig(**LORA, target_modules="all-linear", task_type="CAUSAL_LM")


def _arguments(kind: type, work: Work, folder: str, **more: Any) -> Any:
    return kind(
        output_dir=folder,
        per_device_train_batch_size=work.rows,
        max_steps=UPDATES,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        max_grad_norm=CLIP,
        optim="adamw_torch_fused",
        bf16=False,  # the weights have their precision already
        gradient_checkpointing=work.checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        use_cpu=DEVICE.type == "cpu",
        disable_tqdm=True,
        train_sampling_strategy="sequential",  # every update has the same rows
        seed=SEED,
        **more,
    )


def _dataset(work: Work, *, shifts: bool = False) -> Any:
    """The rows of all updates. `shifts`: for a loss that shifts the targets itself, which then reads
    as many tokens as the others."""
    from datasets import Dataset

    tokens = token_rows(work.shape, work.folder, work.length, work.rows)
    rows = (tokens[:, :-1] if shifts else tokens).astype("int64").tolist()
    return Dataset.from_dict({"input_ids": rows * UPDATES})


def _take_turns(trainer: Any, turns: Turns) -> None:
    """The trainer's own loop, an update a turn."""
    from transformers import TrainerCallback

    losses: list[Tensor] = []

    class _Turns(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 0:
                turns.ready()
            if not turns.begin():
                sys.exit(0)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            turns.end(nll=losses.pop().item())

    one = trainer.training_step

    def training_step(*args: Any, **more: Any) -> Tensor:
        loss = one(*args, **more)
        losses[:] = [loss]
        return loss

    trainer.training_step = training_step
    trainer.add_callback(_Turns())
    trainer.train()


def trl(work: Work, turns: Turns) -> None:
    """As its documentation sets up LoRA with packing. Packing is `wrapped`: the rows stay the batch
    that they are, where `bfd` would lay them end to end under a mask, which is slower without
    flash-attn."""
    from trl import SFTConfig, SFTTrainer

    from styledial.models.load import load_tokenizer

    base = _plain_base(work, turns)
    with tempfile.TemporaryDirectory() as folder:
        more = {"packing": True, "packing_strategy": "wrapped", "max_length": work.length}
        trainer = SFTTrainer(
            base,
            args=_arguments(SFTConfig, work, folder, **more),
            train_dataset=_dataset(work, shifts=True),
            processing_class=load_tokenizer(str(work.folder)),
            peft_config=_lora(),
        )
        _take_turns(trainer, turns)


Loss = Callable[[Any, dict[str, Tensor]], Tensor]


def _with_trainer(
    work: Work, turns: Turns, loss: Loss, *, copy_of_base: bool = False, shifts: bool = False
) -> None:
    """transformers' Trainer with `loss`(model, inputs); with a copy, it is `model.copy_of_base`."""
    from peft import get_peft_model
    from transformers import Trainer, TrainingArguments, default_data_collator

    class _Trainer(Trainer):
        def compute_loss(self, model: Any, inputs: Any, *args: Any, **more: Any) -> Tensor:
            return loss(model, inputs)

    base = _plain_base(work, turns)
    torch.manual_seed(SEED)
    model = get_peft_model(base, _lora())
    if copy_of_base:
        copy = _plain_base(work, _Silent()).requires_grad_(False).eval()
        object.__setattr__(model, "copy_of_base", copy)  # no part of the model that is trained
    if work.checkpointing:
        model.enable_input_require_grads()
    with tempfile.TemporaryDirectory() as folder:
        data = _dataset(work, shifts=shifts)
        trainer = _Trainer(
            model,
            args=_arguments(TrainingArguments, work, folder, remove_unused_columns=False),
            train_dataset=data,
            data_collator=default_data_collator,
        )
        _take_turns(trainer, turns)


class _Silent:
    def loaded(self) -> None:
        """A second model isn't what memory is compared with."""


def _inputs_and_targets(inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    ids = inputs["input_ids"]
    return ids[:, :-1], ids[:, 1:].flatten()


def _own_loss(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    ids = inputs["input_ids"]
    return model(input_ids=ids, labels=ids).loss


def _naive(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    ids, targets = _inputs_and_targets(inputs)
    with torch.no_grad(), model.disable_adapter():
        log_q = model(input_ids=ids).logits.flatten(0, 1).float().log_softmax(-1)
    logits = model(input_ids=ids).logits.flatten(0, 1).float()
    log_p = logits.log_softmax(-1)
    kl = F.kl_div(log_q, log_p, log_target=True, reduction="none").sum(-1)
    return F.cross_entropy(logits, targets) + 0.5 * kl.mean()


def _asft(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    ids, targets = _inputs_and_targets(inputs)
    with torch.no_grad():
        q = model.copy_of_base(input_ids=ids).logits.flatten(0, 1).softmax(-1)
    logits = model(input_ids=ids).logits.flatten(0, 1).float()
    nll = F.cross_entropy(logits, targets, reduction="none")
    kl = F.kl_div(logits.log_softmax(-1), q, reduction="none").sum(-1)
    return (nll * torch.exp(-nll.detach())).mean() + 0.1 * kl.mean()


def _hidden(model: Any, ids: Tensor) -> Tensor:
    """[B * T, d] of the model as it is, adapter on or off."""
    return model.get_base_model().model(input_ids=ids).last_hidden_state.flatten(0, 1)


def _both_hidden(model: Any, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    with torch.no_grad(), model.disable_adapter():
        reference = _hidden(model, ids)
    return _hidden(model, ids), reference, model.get_base_model().lm_head.weight


def _liger_jsd(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    from liger_kernel.chunked_loss import LigerFusedLinearJSDLoss

    ids, targets = _inputs_and_targets(inputs)
    hidden, reference, head = _both_hidden(model, ids)
    loss = LigerFusedLinearJSDLoss(
        weight_hard_loss=0.5, weight_soft_loss=0.5, beta=0.0, compiled=DEVICE.type == "cuda"
    )
    return 2 * loss(hidden, head, reference, head, targets)


def _liger_ce(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

    ids, targets = _inputs_and_targets(inputs)
    head = model.get_base_model().lm_head.weight
    return LigerFusedLinearCrossEntropyLoss()(head, _hidden(model, ids), targets)


def _trl_divergence(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    from trl.kernels.chunked_divergence import VOCAB_CHUNK_SIZE, ChunkedDivergenceFunction
    from trl.kernels.chunked_logprob import ChunkedLogProbFunction

    ids, targets = _inputs_and_targets(inputs)
    hidden, reference, head = _both_hidden(model, ids)
    log_p = ChunkedLogProbFunction.apply(
        hidden, head, None, targets, 1.0, VOCAB_CHUNK_SIZE, None, 1.0, ()
    )[0]
    kl = ChunkedDivergenceFunction.apply(
        hidden, head, None, reference, head, None, 1.0, 1.0, 1.0, None, 1.0, None
    )[0]
    return -log_p.mean() + 0.5 * kl.mean()


WAYS: dict[str, Callable[[Work, Turns], None]] = {
    "ours": ours,
    "ours_cached": lambda work, turns: ours(work, turns, cached=True),
    "ours_rows": lambda work, turns: ours(work, turns, kl_rows=0.25),
    "ours_plain": lambda work, turns: ours(work, turns, mode="off"),
    "trl": trl,
    "trl_divergence": lambda work, turns: _with_trainer(work, turns, _trl_divergence),
    "hf_plain": lambda work, turns: _with_trainer(work, turns, _own_loss, shifts=True),
    "hf_kl": lambda work, turns: _with_trainer(work, turns, _naive),
    "asft": lambda work, turns: _with_trainer(work, turns, _asft, copy_of_base=True),
    "liger_jsd": lambda work, turns: _with_trainer(work, turns, _liger_jsd),
    "liger_ce": lambda work, turns: _with_trainer(work, turns, _liger_ce),
}
