"""Saving and loading an adapter folder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from styledial.commands import command
from styledial.distributed.sharded_tensors import full_tensor
from styledial.errors import AdapterError, ModelError
from styledial.files import read_json, write_json
from styledial.language import say
from styledial.models.attach import attach_adapter
from styledial.models.base_files import copy_model_files, copy_tokenizer
from styledial.models.dora import restore_norms, scale_norms
from styledial.models.identity import Base, check_same_base, remembered_base
from styledial.models.load import load_base, load_tokenizer
from styledial.models.locate import absolute, at_commit, find_base
from styledial.models.policy import Policy
from styledial.models.quantise import is_quantised
from styledial.progress import stage
from styledial.run_folder.claims import writing
from styledial.run_folder.described import describe_adapter
from styledial.run_folder.layout import ADAPTER_SETTINGS

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# What PEFT 0.13 knows of: it refuses a file with other names in it.
_READ_BY_ALL = {
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "fan_in_fan_out",
    "inference_mode", "init_lora_weights", "layer_replication", "layers_pattern",
    "layers_to_transform", "loftq_config", "lora_alpha", "lora_dropout", "megatron_config",
    "megatron_core", "modules_to_save", "peft_type", "r", "rank_pattern", "revision",
    "runtime_config", "target_modules", "task_type", "use_dora", "use_rslora",
}  # fmt: skip


def save_model(policy: Policy, folder: Path, *, under: str = "", write: bool = True) -> None:
    """Adapter or all weights as PEFT and transformers write them, with the base's own files.

    An adapter gets the base's tokenizer; all weights get its configuration too, in the precision
    of its files. Written into `under`, a folder inside the run's `folder`: aside, then each takes
    its place by a rename. Where the model is sharded, all processes have to call this, and one of
    them to `write`. Raises UserError where the disk takes no more.
    """
    weights = _adapter_weights(policy) if policy.is_adapter else {}
    if not write:
        return
    with writing(folder) as run, run.aside() as aside:
        if policy.is_adapter:
            write_adapter(policy, aside, weights)
        else:
            _write_all_weights(policy, aside)
        prefix = f"{under}/" if under else ""
        run.place({prefix + path.name: path for path in sorted(aside.iterdir())})


def write_adapter(
    policy: Policy, folder: Path, weights: dict[str, torch.Tensor] | None = None
) -> None:
    """The adapter as PEFT writes it, with the base's tokenizer, into a folder of its own.

    `weights` are its whole weights, where the model is sharded.
    """
    _write_adapter(policy, _adapter_weights(policy) if weights is None else weights, folder)
    copy_tokenizer(policy.causal_lm.base_folder, folder)
    # PEFT's model card is a form with nothing filled in; summary.json says what this is.
    (folder / "README.md").unlink(missing_ok=True)


def _adapter_weights(policy: Policy) -> dict[str, torch.Tensor]:
    """Whole ones, by PEFT's names."""
    named = policy.model.named_parameters()
    return {name: full_tensor(weight.detach()) for name, weight in named if "lora_" in name}


def _write_adapter(policy: Policy, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """rsLoRA's alpha / sqrt(r) goes into B: many readers take alpha / r whatever is written."""
    settings = policy.model.peft_config["default"]
    rank_stabilised = settings.use_rslora
    if rank_stabilised:
        factor = math.sqrt(settings.r)
        weights = {n: w * factor if _is_b(n) else w for n, w in weights.items()}
    settings.use_rslora, settings.revision = False, policy.causal_lm.base_revision
    try:
        # Left to itself, PEFT asks the hub whether the vocabulary was changed; it never is here.
        policy.model.save_pretrained(folder, state_dict=weights, save_embedding_layers=False)
    finally:
        settings.use_rslora = rank_stabilised
    _leave_out_defaults(folder / ADAPTER_SETTINGS, type(settings)())


def _leave_out_defaults(path: Path, defaults: Any) -> None:
    """Newer settings that are not used, so that older versions of PEFT read the file."""
    content = read_json(path)
    content.pop("peft_version", None)
    kept = {
        key: value
        for key, value in content.items()
        if key in _READ_BY_ALL or value != getattr(defaults, key)
    }
    write_json(path, kept)


def _write_all_weights(policy: Policy, folder: Path) -> None:
    """In the precision that the base's files have; trained in fp32, they are rounded once."""
    model = policy.causal_lm
    dtype = model.file_dtype
    rounded: dict[int, torch.Tensor] = {}  # a tied weight has two names and stays one tensor
    weights = {
        name: rounded.setdefault(weight.data_ptr(), _rounded(weight.detach(), dtype))
        for name, weight in model.state_dict().items()
    }
    model.save_pretrained(folder, state_dict=weights)
    copy_model_files(model.base_folder, folder, dtype=dtype)


def _rounded(weight: torch.Tensor, dtype: str) -> torch.Tensor:
    return weight.to(getattr(torch, dtype)) if weight.is_floating_point() else weight


def _is_b(name: str) -> bool:
    return "lora_B" in name or "lora_embedding_B" in name


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
        if _is_b(name):
            parameter.mul_(scale)


def load_adapter(
    folder: Path, *, base: str | None = None, **instead: Any
) -> tuple[Policy, PreTrainedTokenizerBase]:
    """Base + adapter as a Policy in evaluation mode on the GPU if there is one, and the tokenizer.

    The base is loaded as the run loaded it, quantised or not; `instead` overrides options of
    `load_base`. `base` says where it is now. Raises AdapterError where the folder isn't what a
    run leaves or the base isn't the run's, ModelError for a base that can't be loaded.
    """
    return load_on(folder, base_of(folder, base), **instead)


def load_on(folder: Path, found: Base, **instead: Any) -> tuple[Policy, PreTrainedTokenizerBase]:
    """As `load_adapter`, on the base `found`, whichever the run was trained on."""
    how = {**found.loading, **instead}
    if (folder / ADAPTER_SETTINGS).is_file():
        base_model = load_base(found.model, **how)
        with stage(say("loading the adapter", "加载适配器")):
            policy = Policy(attach_adapter(base_model, folder, found.model), None)
    else:
        tuned = load_base(str(folder), **how)
        policy = Policy(tuned, load_base(found.model, **how))
    # The base's own tokenizer: transformers picks its class by the config that lies beside it.
    tokenizer = load_tokenizer(found.model, trust_remote_code=bool(how.get("trust_remote_code")))
    device = _device()
    if not is_quantised(policy.causal_lm):  # one that is, is where it was loaded
        policy.to(device)
    policy.reference_to(device)
    return policy.eval(), tokenizer


def _device() -> torch.device:
    found = torch.accelerator.current_accelerator(check_available=True)
    return found or torch.device("cpu")


def load_plain(named: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A whole model, merged or a base, in the precision of its files, on the GPU if there is one,
    and its tokenizer. Raises ModelError."""
    try:
        model = load_base(named, keep_file_dtype=True)
    except ModelError as error:
        raise error.of("") from None
    if not is_quantised(model):
        model.to(_device())
    return model, load_tokenizer(named)


def base_of(folder: Path, base: str | None = None) -> Base:
    """The base of the run in `folder` and how it was loaded, checked to be the same still.

    `base` says where it is now. Raises AdapterError for another base, or one that is gone.
    """
    found = remembered_base(folder) or Base(str(describe_adapter(folder)["model"]))
    name = absolute(base) if base else at_commit(absolute(found.model), found.revision)
    try:
        here = Path(find_base(name)).exists()
    except ModelError as error:
        if base:
            raise error.of("--base") from None
        error = error.of("")
        raise AdapterError(
            f"{folder}: the base it was trained on cannot be used ({error.en.rstrip('.')}). Say "
            "where it is now: --base FOLDER.",
            f"{folder}：无法使用训练时的基座（{error.zh.rstrip('。')}）。"
            "请用 --base 指明它现在的位置。",
        ) from None
    if not here:
        check_code_is_here(folder, found, name)
    remedy = ("say where it is now: --base FOLDER", "用 --base 指明它现在的位置")
    if base and (folder / ADAPTER_SETTINGS).is_file():
        move = command("dial", folder, "--base", base)
        remedy = (
            f"take the adapter over to this model if it has the same shape: `{move}`",
            f"在结构相同时把适配器用到该模型上：`{move}`",
        )
    check_same_base(folder, found, name, remedy)
    return replace(found, model=name)


def check_code_is_here(folder: Path, base: Base, name: str) -> None:
    """Of a base `name` that would have to be downloaded: an adapter from elsewhere must not make
    this machine download and run unknown code. Raises AdapterError."""
    if not base.loading.get("trust_remote_code"):
        return
    raise AdapterError(
        f"{folder}: was trained with its base's own Python code, and {name} is not on this "
        f"machine. If you trust its author: `styledial download --model {name} --with-code`.",
        f"{folder}：训练时执行了基座自带的 Python 代码，而本机没有 {name}。"
        f"如信任其作者，请运行 `styledial download --model {name} --with-code`。",
    )
