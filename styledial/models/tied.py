"""Adapters on an embedding that is also the output head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from styledial.errors import AdapterError

if TYPE_CHECKING:
    from peft import PeftModel


def check_merges_exactly(tuned: PeftModel, adapter: Path) -> None:
    """Raises AdapterError where one weight serves as embedding and head, and one of them is tuned.

    The adapter changes what one of the two layers computes; merged into their weight it would
    change both, and the merge be another model (KL 3.8e-3 in place of 4.5e-4 in one trial).
    """
    model = tuned.get_base_model()
    text = model.config.get_text_config()  # Qwen3-VL says it of the whole model alone
    if not getattr(text, "tie_word_embeddings", model.config.tie_word_embeddings):
        return
    for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
        name = next((n for n, module in model.named_modules() if module is layer), None)
        if name and _is_tuned(layer):
            raise AdapterError(
                f"{adapter}: tunes {name}, which shares its weight with "
                "the other end of the model (tie_word_embeddings). Merged, both would change, "
                "and the model would not be the adapter's. Use it as an adapter (styledial "
                "generate, or PEFT), or train one on other layers (lora_target_modules: "
                "all-linear).",
                f"{adapter}：该适配器微调了 {name}，而它与模型另一端共用权重"
                "（tie_word_embeddings）。合并会同时改变两者，结果将与适配器不同。"
                "请直接作为适配器使用（styledial generate 或 PEFT），"
                "或改在其他层上训练（lora_target_modules: all-linear）。",
            )


def _is_tuned(layer: object) -> bool:
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    return isinstance(layer, BaseTunerLayer | AuxiliaryTrainingWrapper)
