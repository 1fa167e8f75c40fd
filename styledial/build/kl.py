"""From configuration to the parts that hold KL: controller, anchor, the base's hidden states."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from styledial.build.texts import Texts, no_general_text
from styledial.config import OFF, Config
from styledial.data.pack import PackedRows, pack
from styledial.data.texts import general_passages
from styledial.distributed.ranks import Place, taking_turns
from styledial.errors import UserError
from styledial.models.limits import check_ids
from styledial.models.policy import Policy
from styledial.training import reference
from styledial.training.anchor import TOKENS, sample_rows
from styledial.training.components import Anchor, Controller
from styledial.training.controller import FixedCoefficient, KLController
from styledial.training.row_order import RowOrder
from styledial.units import disk_size

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SELF = "self"  # data.anchor: text that the base writes
# The anchor's forward KL counts as much as the style text's loss; see docs/experiments.md.
ANCHOR_WEIGHT = 1.0


def build_controller(config: Config, device: torch.device) -> Controller:
    """Lambda for the budget, or the fixed one."""
    training = config.training
    if training.kl_target is not None and training.mode.has_controller:
        return KLController(training.kl_target, share=training.kl_rows, device=device)
    return FixedCoefficient(training.mode.fixed_lambda(training.kl_beta), device=device)


def has_anchor(config: Config) -> bool:
    """Whether updates hold anchor text; plain fine-tuning (kl_mode: off) has none."""
    return config.data.anchor != OFF and config.training.mode.has_anchor


def writes_anchor(config: Config) -> bool:
    """Whether the base writes the anchor text itself, before the first update."""
    return has_anchor(config) and config.data.anchor == SELF


def anchor_rows(config: Config, effective_batch: int) -> int:
    """Anchor rows that an update of so many rows of the user's text gets, at least one."""
    ratio = config.data.anchor_ratio
    return max(1, round(effective_batch * ratio / (1 - ratio)))


def build_anchor(
    config: Config,
    policy: Policy,
    texts: Texts,
    order: RowOrder,
    tokenizer: PreTrainedTokenizerBase,
    cache: Path,
    steps: int,
    here: Place,
) -> Anchor | None:
    """The anchor text as rows, about `anchor_ratio` of every update; None where it is off.

    `steps`: the updates that the run was first planned for; a short one gets less text, and one
    that is resumed to more goes on with the text that it had.

    Text written by the base is kept in `cache` for a resumed run, by the first process; all
    write their share of it, and none has to see the others' disk. Plain fine-tuning (kl_mode:
    off) has no anchor.
    """
    if not has_anchor(config):
        return None
    per_update = anchor_rows(config, order.per_update)
    if config.data.anchor == SELF:
        style = texts.style
        from accelerate.utils import broadcast_object_list, gather_object

        described = [config.model.model_name_or_path, config.training.seed, steps, per_update]
        kept = cache / f"anchor-{reference.fingerprint(described, policy, style)}.npz"
        (found,) = broadcast_object_list([here.first and kept.is_file()])
        if found:
            (rows,) = broadcast_object_list([PackedRows.load(kept) if here.first else None])
        else:
            with policy.as_base() as base:
                rows = sample_rows(
                    base,
                    style,
                    seed=config.training.seed,
                    tokens=min(TOKENS, steps * per_update * style.max_length),
                    rank=here.rank,
                    processes=here.count,
                    gather=gather_object,
                )
            if here.first:
                rows.save(kept)
    else:
        passages = general_passages(config.data.anchor, "data.anchor", bundled="modern")
        rows = pack(passages, tokenizer, config.data.max_length, share_rows=texts.shared_rows)
        if len(rows) == 0:
            raise no_general_text("data.anchor", config.data.anchor)
        highest = [(f"data.anchor {config.data.anchor}", rows.highest_id)]
        size = len(policy.reference_head.weight)
        check_ids(highest, size, tokenizer, config.model.model_name_or_path)
    # A stream of its own; its seed differs so that the two orders have nothing in common.
    anchor_order = RowOrder(len(rows), per_update, 1, 1, config.training.seed + 1)
    return Anchor(rows, anchor_order, ANCHOR_WEIGHT)


def build_references(
    config: Config,
    policy: Policy,
    texts: Texts,
    anchor: Anchor | None,
    cache: Path,
    epochs: float,
    here: Place,
    *,
    sharded: bool = False,
) -> reference.References | None:
    """Where the base's hidden states come from; None where nothing asks for them.

    A cache is kept where rows are read again, disk space allows and all processes share the disk;
    none where the base is `sharded`: one process can't make the pass that another one needs.
    """
    of_style = config.training.mode.reads_kl
    if not of_style and anchor is None:
        return None
    wanted = config.training.reference_cache
    folder = cache if wanted in ("auto", OFF) else Path(wanted).expanduser()
    dtype = policy.reference_head.weight.dtype
    parts = [
        (rows, (len(rows), rows.max_length, policy.head.weight.shape[1]))
        for rows in [texts.style] * of_style + ([anchor.rows] if anchor else [])
    ]
    size = sum(reference.cache_bytes(shape, dtype) for _, shape in parts)
    useful = epochs > 1 and here.one_machine and reference.has_room(folder, size)
    if sharded or wanted == OFF or (wanted == "auto" and not useful):
        return reference.References(policy, None, None, of_style=of_style)
    if not reference.has_room(folder, size):
        raise UserError(
            f"training.reference_cache: {folder} has no room for {disk_size(size)}; use "
            "auto, off, or a folder on a larger disk.",
            f"training.reference_cache：{folder} 空间不足，需要 {disk_size(size)}；"
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
    return reference.References(
        policy,
        caches[0] if of_style else None,
        caches[-1] if anchor else None,
        of_style=of_style,
    )


def calibration_rows(texts: Texts, tokens: int) -> PackedRows:
    """A little of the held-out text that landing reads; the other half stays unseen."""
    return texts.heldout.select(texts.halves()[0]).at_most(tokens)


def reads_heldout(step: int, steps: int, times: int) -> bool:
    """Whether held-out text is to be read after update `step` of `steps`: a dozen times, evenly,
    and at the end."""
    return step % max(1, steps // times) == 0 or step == steps


def calibrates(config: Config, step: int, steps: int) -> bool:
    """Whether that reading moves the controller's aim: from a quarter of the run on."""
    return config.training.mode.has_controller and steps // 4 <= step < steps
