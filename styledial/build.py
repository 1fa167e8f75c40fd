"""From configuration to parts: the model, its data, optimizer, controller and references."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from styledial import reference
from styledial.anchor import TOKENS, sample_rows
from styledial.config import OFF, Config
from styledial.controller import FixedCoefficient, KLController
from styledial.data.novels import read_folder
from styledial.data.pack import PackedRows, pack
from styledial.data.passage import Dialogue, Passage
from styledial.data.texts import general_passages, style_folder
from styledial.errors import DataError, UserError
from styledial.evaluators.distance import halves
from styledial.models.load import load_base, recompute_activations
from styledial.models.policy import Policy, with_all_weights, with_lora
from styledial.models.quantise import check_choice
from styledial.order import RowOrder
from styledial.processes import Place, taking_turns
from styledial.prompts import sample_prompts
from styledial.step import trained
from styledial.trainer import Anchor, Controller

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SELF = "self"  # data.anchor: text that the base writes
# The anchor's forward KL counts as much as the style text's loss; see docs/experiments.md.
ANCHOR_WEIGHT = 1.0
# Read several times at the end of a run; more would change the fourth digit.
_HELDOUT_TOKENS, _GENERAL_TOKENS = 49_152, 32_768
# Read a dozen times during a run.
_CALIBRATION_TOKENS, _READINGS = 6_144, 12


@dataclass(frozen=True)
class Material:
    """What the user's folder holds: running text, and dialogues where there are any."""

    passages: list[Passage]
    dialogues: list[Dialogue]

    def opening(self) -> str:
        """Some of the text, to tell its language by."""
        if self.passages:
            return self.passages[0].text[:5000]
        return self.dialogues[0].messages[-1]["content"]


@dataclass(frozen=True)
class Texts:
    """Everything that is read: packed rows of the novels and of the general text."""

    style: PackedRows
    heldout: PackedRows
    general: PackedRows
    prompts: tuple[str, ...]


def read_material(config: Config, cache: Path, tell: Callable[[str], None]) -> Material:
    """The user's folder, cleaned and split; raises DataError. `tell` hears what was left out."""
    return Material(
        *read_folder(
            style_folder(config.data.data_dir), config.data.validation_split, cache=cache,
            to_simplified=config.data.to_simplified, dedup=config.data.dedup, tell=tell,
        )
    )  # fmt: skip


def shares_rows(config: Config) -> bool:
    """Whether short texts may share a row; see data.pack.pack."""
    return config.model.attn_implementation != "flash_attention_2"


def prepare_texts(config: Config, material: Material, tokenizer: PreTrainedTokenizerBase) -> Texts:
    """Tokenise and pack. Raises DataError where there is too little text to train and measure."""
    length = config.data.max_length
    style, heldout = (
        pack(
            [p for p in material.passages if p.split == split], tokenizer, length,
            [d for d in material.dialogues if d.split == split], share_rows=shares_rows(config),
        )
        for split in ("train", "heldout")
    )  # fmt: skip
    for rows, en, zh in ((style, "training", "训练"), (heldout, "held-out", "留出")):
        if len(rows) == 0:
            raise DataError(
                f"data.data_dir: {config.data.data_dir} has too little text ({en} part is empty); "
                "add text, a few hundred characters at the very least.",
                f"data.data_dir：{config.data.data_dir} 的文本太少（{zh}部分为空）；"
                "请增加文本，至少几百字。",
            )
    general = pack(
        general_passages(config.data.general, "data.general"), tokenizer, length,
        share_rows=shares_rows(config),
    )  # fmt: skip
    if len(general) == 0:
        raise _no_general("data.general", config.data.general)
    heldout, general = heldout.at_most(_HELDOUT_TOKENS), general.at_most(_GENERAL_TOKENS)
    return Texts(style, heldout, general, sample_prompts(material.opening()))


def build_policy(config: Config) -> Policy:
    check_choice(
        load_in_4bit=config.model.load_in_4bit,
        load_in_8bit=config.model.load_in_8bit,
        use_peft=config.model.use_peft,
        use_dora=config.model.use_dora,
    )
    base = load_base(
        config.model.model_name_or_path,
        dtype=config.model.dtype,
        attn_implementation=config.model.attn_implementation,
        trust_remote_code=config.model.trust_remote_code,
        load_in_4bit=config.model.load_in_4bit,
        load_in_8bit=config.model.load_in_8bit,
        shardable=config.training.fsdp == "on",
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
        trained(policy),
        lr=config.training.learning_rate,
        weight_decay=config.training.weight_decay,
        fused=True,  # one kernel, and it can be told on the device to leave a step out: guards.py
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


def mixed_precision(config: Config, policy: Policy) -> str:
    """Autocast is for full tuning alone: a LoRA run has its precision in its weights."""
    if not torch.cuda.is_available() or config.model.dtype == "float32":
        return "no"
    if policy.reference_head.dtype == torch.float16:
        return "fp16"
    return "no" if policy.is_adapter else "bf16"


def anchor_rows(config: Config, effective_batch: int) -> int:
    """Anchor rows that an update of so many rows of the user's text gets, at least one."""
    ratio = config.data.anchor_ratio
    return max(1, round(effective_batch * ratio / (1 - ratio)))


def style_order(config: Config, rows: PackedRows, processes: int) -> RowOrder:
    training = config.training
    return RowOrder(
        len(rows), training.micro_batch, training.gradient_accumulation_steps,
        processes, training.seed,
    )  # fmt: skip


def _no_general(setting: str, source: str) -> DataError:
    return DataError(
        f"{setting}: {source} has no text; name another, or `bundled`.",
        f"{setting}：{source} 中没有文字；请换一个，或写 bundled。",
    )


def calibration_rows(heldout: PackedRows) -> PackedRows:
    """A little of the held-out text that landing reads; the other half stays unseen."""
    return heldout.select(halves(heldout)[0]).at_most(_CALIBRATION_TOKENS)


def reads_heldout(step: int, steps: int) -> bool:
    """Whether held-out text is to be read after update `step` of `steps`: a dozen times, evenly,
    and at the end."""
    return step % max(1, steps // _READINGS) == 0 or step == steps


def calibrates(config: Config, step: int, steps: int) -> bool:
    """Whether that reading moves the controller's aim: from a quarter of the run on."""
    return config.training.kl_mode == "budget" and steps // 4 <= step < steps


def build_anchor(
    config: Config, policy: Policy, style: PackedRows, order: RowOrder,
    tokenizer: PreTrainedTokenizerBase, cache: Path, steps: int, here: Place,
) -> Anchor | None:  # fmt: skip
    """The anchor text as rows, about `anchor_ratio` of every update; None where it is off.

    Text written by the base is kept in `cache` for a resumed run, by the first process; all
    write their share of it, and none has to see the others' disk. Plain fine-tuning (kl_mode:
    off) has no anchor.
    """
    if config.data.anchor == OFF or config.training.kl_mode == OFF:
        return None
    per_update = anchor_rows(config, order.effective_batch)
    if config.data.anchor == SELF:
        from accelerate.utils import broadcast_object_list, gather_object

        described = [config.model.model_name_or_path, config.training.seed, steps, per_update]
        kept = cache / f"anchor-{reference.fingerprint(described, policy, style)}.npz"
        (found,) = broadcast_object_list([here.first and kept.is_file()])
        if found:
            (rows,) = broadcast_object_list([PackedRows.load(kept) if here.first else None])
        else:
            with policy.as_base() as base:
                rows = sample_rows(
                    base, style, seed=config.training.seed,
                    tokens=min(TOKENS, steps * per_update * style.max_length),
                    rank=here.rank, processes=here.count, gather=gather_object,
                )  # fmt: skip
            if here.first:
                rows.save(kept)
    else:
        passages = general_passages(config.data.anchor, "data.anchor", bundled="modern")
        rows = pack(passages, tokenizer, config.data.max_length, share_rows=shares_rows(config))
        if len(rows) == 0:
            raise _no_general("data.anchor", config.data.anchor)
    # A stream of its own; its seed differs so that the two orders have nothing in common.
    anchor_order = RowOrder(len(rows), per_update, 1, 1, config.training.seed + 1)
    return Anchor(rows, anchor_order, ANCHOR_WEIGHT)


def build_references(
    config: Config, policy: Policy, texts: Texts, anchor: Anchor | None, cache: Path,
    epochs: float, here: Place, *, sharded: bool = False,
) -> reference.References | None:  # fmt: skip
    """Where the base's hidden states come from; None where nothing asks for them.

    A cache is kept where rows come round again, the disk has room and all processes share it. None
    where the base is `sharded`: one process can't make the pass that another one needs.
    """
    if config.training.kl_mode == OFF:
        return None
    wanted = config.training.reference_cache
    folder = cache if wanted in ("auto", OFF) else Path(wanted).expanduser()
    dtype = policy.reference_head.dtype
    parts = [
        (rows, (len(rows), rows.max_length, policy.head.shape[1]))
        for rows in [texts.style] + ([anchor.rows] if anchor else [])
    ]
    size = sum(reference.cache_bytes(shape, dtype) for _, shape in parts)
    useful = epochs > 1 and here.one_machine and reference.has_room(folder, size)
    if sharded or wanted == OFF or (wanted == "auto" and not useful):
        return reference.References(policy, None, None)
    if not reference.has_room(folder, size):
        raise UserError(
            f"training.reference_cache: {folder} has no room for {size / 2**30:.1f} GiB; use "
            "auto, off, or a folder on a larger disk.",
            f"training.reference_cache：{folder} 空间不足，需要 {size / 2**30:.1f} GiB；"
            "请改用 auto、off 或更大磁盘上的文件夹。",
        )
    caches = []
    for rows, shape in parts:
        name = reference.fingerprint([config.model.model_name_or_path, str(dtype)], policy, rows)
        try:
            with taking_turns(folder):
                caches.append(reference.ReferenceCache(folder, name, shape, dtype))
        except OSError as error:
            raise UserError(
                f"training.reference_cache: cannot write to {folder} ({error.strerror}); use off "
                "or another folder.",
                f"training.reference_cache：无法写入 {folder}（{error.strerror}）；"
                "请用 off 或换一个文件夹。",
            ) from None
    return reference.References(policy, caches[0], caches[1] if anchor else None)
