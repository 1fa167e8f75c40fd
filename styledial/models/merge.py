"""Adapter + base -> one plain model that needs neither PEFT nor StyleDial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from styledial.errors import AdapterError
from styledial.files import folder_written_aside
from styledial.hub.home import require_space
from styledial.language import say
from styledial.models.base_files import copy_model_files, copy_tokenizer, has_tokenizer
from styledial.models.identity import FILE as BASE
from styledial.progress import stage
from styledial.run_folder.described import check_adapter, check_target


def merge_adapter(
    adapter: Path, target: Path, *, base: str | None = None, dtype: str = "auto", scale: float = 1.0
) -> Path:
    """Write W + scale alpha/r B A with the base's own files as the new folder `target`.

    `base` says where the adapter's base is now. An adapter of a quantised base is merged into
    the unquantised one. dtype "auto" keeps the precision of the base's files. Costs one copy of
    the weights in memory. Raises AdapterError or ModelError for what can't be merged, UserError
    if `target` is there already.
    """
    check_target(target)
    check_adapter(adapter)
    from styledial.models.adapter import attach_adapter, base_of
    from styledial.models.load import load_base

    found = base_of(adapter, base)
    with folder_written_aside(target) as aside:
        model = load_base(
            found.model,
            dtype=dtype,
            keep_file_dtype=dtype == "auto",
            trust_remote_code=bool(found.loading.get("trust_remote_code")),
        )
        require_space(target, _size(model), ("the merged model", "合并后的模型"))
        source, precision = model.base_folder, str(model.dtype).removeprefix("torch.")
        with stage(say("merging", "合并")):
            merged = _merged(attach_adapter(model, adapter, found.model), scale)
        with stage(say("writing the model", "写出模型")):
            merged.save_pretrained(aside)
            copy_model_files(source, aside, dtype=precision)
        # Another tool may have trained with a chat template or tokens of its own.
        if not (adapter / BASE).is_file() and has_tokenizer(adapter):
            copy_tokenizer(adapter, aside)
    return target


def _merged(tuned: Any, scale: float) -> Any:
    from peft.helpers import rescale_adapter_scale

    from styledial.models.dora import scale_norms

    scale_norms(tuned, scale)
    with rescale_adapter_scale(tuned, scale):
        try:
            return tuned.merge_and_unload(safe_merge=True)
        except ValueError as error:  # weights that are NaN or infinite once merged
            raise AdapterError(
                f"the adapter can't be merged ({str(error).strip().rstrip('.')}); its weights are "
                "damaged: restore them from a copy, or train again.",
                f"适配器无法合并（{str(error).strip().rstrip('.')}）；"
                "其权重已损坏，请从备份恢复，或重新训练。",
            ) from None


def _size(model: Any) -> int:
    return sum(weight.nbytes for weight in model.parameters())
