"""Ways on transformers' Trainer, and on TRL's, which is built on it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from material import CLIP, LEARNING_RATE, LORA, UPDATES, token_rows
from torch import Tensor
from turns import Turns
from work import DEVICE, DTYPE, SEED, Work


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


def with_trainer(
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
