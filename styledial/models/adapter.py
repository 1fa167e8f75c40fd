"""What a run leaves and later commands take up again: the adapter's folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from styledial.distributed.sharded_tensors import model_is_sharded
from styledial.errors import AdapterError
from styledial.models.dora import restore_norms, scale_norms
from styledial.models.load import load_base, load_tokenizer
from styledial.models.policy import Policy, quiet_peft
from styledial.run_folder.claims import writing
from styledial.run_folder.layout import ADAPTER_SETTINGS, SUMMARY

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def save_model(
    policy: Policy, tokenizer: PreTrainedTokenizerBase, folder: Path, *, under: str = "",
    write: bool = True,
) -> None:  # fmt: skip
    """Adapter (or all weights) and tokenizer files, as PEFT and transformers write them.

    Written into `under`, a folder inside the run's `folder`: aside, then each takes its place by a
    rename. Where the model is sharded, all processes have to call this, and one of them to `write`.
    Raises UserError where the disk takes no more.
    """
    more: dict[str, Any] = {}
    if model_is_sharded(policy):
        weights = policy.trainable_state()
        more["state_dict"] = {name.removeprefix("model."): w for name, w in weights.items()}
    if not write:
        return
    # Left to itself, PEFT asks the hub whether the vocabulary was changed; it never is here.
    if policy.is_adapter:
        more["save_embedding_layers"] = False
    with writing(folder) as run, run.aside() as aside:
        policy.model.save_pretrained(aside, **more)
        tokenizer.save_pretrained(aside)
        # PEFT's model card is a form with nothing filled in; summary.json says what this is.
        (aside / "README.md").unlink(missing_ok=True)
        prefix = f"{under}/" if under else ""
        run.place({prefix + path.name: path for path in sorted(aside.iterdir())})


@contextmanager
def scaled(policy: Policy, scale: float) -> Iterator[None]:
    """The adapter at `scale` times its strength for as long as the block lasts."""
    from peft.helpers import rescale_adapter_scale

    moved = scale_norms(policy.model, scale)
    try:
        with rescale_adapter_scale(policy.model, scale):
            yield
    finally:
        restore_norms(moved)


@torch.no_grad()
def scale_adapter(policy: Policy, scale: float) -> None:
    """Multiply the adapter's effect by `scale`, inside its weights (B <- scale B).

    LoRA's update is linear in B, so plain PEFT then loads an adapter of that strength. DoRA's
    norms go with it.
    """
    scale_norms(policy.model, scale)
    for name, parameter in policy.named_parameters():
        if "lora_B" in name or "lora_embedding_B" in name:
            parameter.mul_(scale)


def load_adapter(
    folder: Path, *, dtype: str = "auto", load_in_4bit: bool = False, load_in_8bit: bool = False
) -> tuple[Policy, PreTrainedTokenizerBase]:
    """Base + adapter as a Policy in evaluation mode on the GPU if there is one, and the tokenizer.

    An adapter of a quantised base is loaded on the same quantised base where that is asked for.

    Raises AdapterError where the folder isn't what a run leaves, ModelError for its base.
    """
    from peft import PeftModel

    described = describe_adapter(folder)
    if (folder / ADAPTER_SETTINGS).is_file():
        base = load_base(
            described["model"], dtype=dtype, load_in_4bit=load_in_4bit, load_in_8bit=load_in_8bit
        )
        try:
            with quiet_peft():
                model = PeftModel.from_pretrained(base, str(folder))
        except (RuntimeError, ValueError, OSError) as error:
            # torch's first line only says that there are errors; the next one is the first.
            why = str(error).strip().split("\n")[:2][-1].strip().rstrip(".")
            raise AdapterError(
                f"{folder}: this adapter doesn't fit {described['model']}: it was trained on "
                f"another base ({why}).",
                f"{folder}：适配器与 {described['model']} 不匹配："
                f"它是在另一个基座上训练的（{why}）。",
            ) from None
        policy = Policy(model, None)
    else:
        tuned = load_base(str(folder), dtype=dtype)
        policy = Policy(tuned, load_base(described["model"], dtype=dtype))
    # The base's own tokenizer: transformers picks its class by the config that lies beside it.
    tokenizer = load_tokenizer(described["model"])
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    if not (load_in_4bit or load_in_8bit):  # a quantised base is where it was loaded
        policy.to(device)
    policy.reference_to(device)
    return policy.eval(), tokenizer


def describe_adapter(folder: Path) -> dict[str, Any]:
    """The run's summary; for an adapter of another tool, its base model's name under "model".

    Raises AdapterError where there is no adapter.
    """
    for name, key in ((SUMMARY, "model"), (ADAPTER_SETTINGS, "base_model_name_or_path")):
        path = folder / name
        if not path.is_file():
            continue
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return {**content, "model": content[key]}
        except (ValueError, KeyError, UnicodeDecodeError):
            raise AdapterError(
                f"{path}: cannot be read as JSON with a `{key}`; restore it or train again.",
                f"{path}：无法读取，或缺少 `{key}`；请恢复该文件或重新训练。",
            ) from None
    raise AdapterError(
        f"{folder}: no adapter here (adapter_config.json is missing). Name the output_dir of a "
        "finished run.",
        f"{folder}：这里没有适配器（缺少 adapter_config.json）。请写已完成训练的 output_dir。",
    )
