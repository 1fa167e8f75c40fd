"""The tuned model and its reference: one set of weights, seen with the adapter on and off.

    input_ids [B, T] -> backbone (+ LoRA) -> policy hidden    [B, T, d] --.
                     -> backbone          -> reference hidden [B, T, d] ---+-> losses.fused_nll_kl
                                             head [V, d], frozen ----------'

With LoRA the reference costs no memory: it is the same model with the adapter switched off, so
the KL of a fresh adapter is exactly 0. Full tuning has to keep a frozen copy of the base.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from styledial.distributed.sharded_tensors import full_tensor
from styledial.errors import ModelError, nearest
from styledial.libraries import without_bitsandbytes
from styledial.models.digests import Digests, digests_of
from styledial.models.dora import scale_norms
from styledial.models.head import OutputHead, output_head
from styledial.models.lora_forward import with_fewer_copies
from styledial.models.text_part import (
    default_layers,
    expert_weights,
    is_linear,
    not_adapted,
    text_backbone,
)

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class Policy(nn.Module):
    """A causal LM that gives hidden states, so that the loss can own the output head.

    forward: input_ids int64 [B, T], position_ids int64 [B, T] or None -> hidden [B, T, d].
    """

    def __init__(self, model: PreTrainedModel | PeftModel, frozen: PreTrainedModel | None) -> None:
        super().__init__()
        self.model = model
        # In a tuple, nn.Module doesn't see it: the copy is neither saved, moved nor wrapped twice.
        self._frozen = (frozen,)

    @property
    def frozen_copy(self) -> PreTrainedModel | None:
        """The base beside a model whose own weights are all trained; None under an adapter."""
        return self._frozen[0]

    @property
    def is_adapter(self) -> bool:
        """Whether an adapter is trained, so that the reference is the same model without it."""
        return self.frozen_copy is None

    @property
    def causal_lm(self) -> PreTrainedModel:
        """The transformers model, with the adapter's layers in it."""
        return self.model.get_base_model() if self.is_adapter else self.model

    @property
    def head(self) -> OutputHead:
        """What makes logits of hidden states."""
        return output_head(self.causal_lm)

    @property
    def reference_head(self) -> OutputHead:
        """The base's; an adapter shares it, as it leaves the head alone."""
        frozen = self.frozen_copy
        return self.head if frozen is None else output_head(frozen)

    def forward(self, input_ids: Tensor, position_ids: Tensor | None = None) -> Tensor:
        """The tuned model's hidden states [B, T, d]."""
        return _hidden(self.causal_lm, input_ids, position_ids)

    @torch.no_grad()
    def reference(self, input_ids: Tensor, position_ids: Tensor | None = None) -> Tensor:
        """The base's hidden states [B, T, d]; costs one forward without gradients."""
        with self.as_base() as base:
            # Through this module where it is the same model: a sharded one is gathered by that.
            return (
                self(input_ids, position_ids)
                if self.is_adapter
                else _hidden(base, input_ids, position_ids)
            )

    @contextmanager
    def as_base(self) -> Iterator[PreTrainedModel]:
        """The base model, for as long as the block lasts."""
        if self.frozen_copy is not None:
            yield self.frozen_copy
            return
        # PEFT's own context manager first walks all layers to report their state, every step.
        self.model.base_model.disable_adapter_layers()
        try:
            yield self.causal_lm
        finally:
            self.model.base_model.enable_adapter_layers()

    @cached_property
    def digests(self) -> Digests:
        """Of the base's weights. To be asked for the first time before a base is sharded."""
        with self.as_base() as base:
            return digests_of(base)

    def reference_to(self, device: torch.device) -> None:
        """Move the frozen copy of a fully tuned model; an adapter's reference moves with it."""
        if self.frozen_copy is not None:
            self.frozen_copy.to(device)

    def trainable_state(self) -> dict[str, Tensor]:
        """The weights that training changes, by name: an adapter's, or all of them.

        Whole ones: where the model is sharded, all processes have to call this.
        """
        return {
            name: full_tensor(p.detach()) for name, p in self.named_parameters() if p.requires_grad
        }


def _hidden(model: Any, input_ids: Tensor, position_ids: Tensor | None) -> Tensor:
    return text_backbone(model)(
        input_ids=input_ids, position_ids=position_ids, use_cache=False
    ).last_hidden_state


@contextmanager
def quiet_peft() -> Iterator[None]:
    """For the block that imports and uses PEFT. Hides its warnings that are nothing to the
    user: about a deprecated name of transformers that it uses itself, and what attach.py treats as
    an error or says itself. Without bitsandbytes, unless the base is quantised."""
    with warnings.catch_warnings(), without_bitsandbytes():
        warnings.filterwarnings("ignore", message="Found missing adapter keys")
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")  # put right
        warnings.filterwarnings("ignore", message="Unexpected keyword arguments")  # attach.py
        # Of a tied embedding in an adapter from elsewhere: only a merge is wrong, see tied.py.
        warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
        yield


def with_lora(
    model: PreTrainedModel,
    *,
    r: int,
    lora_alpha: float,
    lora_dropout: float,
    target_modules: str | list[str],
    use_dora: bool = False,
    use_rslora: bool = False,
    experts: bool = False,
) -> Policy:
    """A fresh LoRA adapter on a frozen base (Hu et al. 2021, arXiv 2106.09685).

    W' = W + alpha/r B A with B = 0, so the tuned model starts as the base. `use_rslora` divides
    alpha by sqrt(r) (arXiv 2312.03732); `use_dora` also trains each row's norm (arXiv
    2402.09353). The adapter's weights are fp32 whatever the base's precision. Raises ModelError
    for layers that don't exist or for the output head, which has to stay the base's. `experts`:
    the experts of a mixture are adapted too, each by matrices of rank r of its own.
    """
    with quiet_peft():
        from peft import LoraConfig, get_peft_model

    head = model.get_output_embeddings()
    head_names = [n for n, m in model.named_modules() if m is head]
    embeddings = model.get_input_embeddings()
    tied = [n for n, m in model.named_modules() if m is embeddings and m.weight is head.weight]
    if _reaches(target_modules, head_names + tied):
        raise _frozen_head(head_names[0], tied[0] if tied else None)
    _check_each_is_there(target_modules, model, head_names)
    config = LoraConfig(
        r=r,
        # PEFT types alpha as int; a float scales just as well, and a whole one is saved as such.
        lora_alpha=int(lora_alpha) if float(lora_alpha).is_integer() else lora_alpha,
        lora_dropout=lora_dropout,
        target_modules=(
            default_layers(model) if target_modules == "all-linear" else target_modules
        ),
        use_dora=use_dora,
        use_rslora=use_rslora,
        task_type="CAUSAL_LM",
        exclude_modules=not_adapted(model),
        target_parameters=expert_weights(model) if experts else None,
    )
    try:
        with quiet_peft():
            tuned = with_fewer_copies(get_peft_model(model, config))
    except (ValueError, re.error) as error:
        why = str(error).strip().rstrip(".")
        raise _no_such_layer(why, why, _layers(model, head_names)) from None
    # PEFT takes DoRA's norms in the base's precision and compares them with norms in fp32: of a
    # base in bf16 a fresh adapter was 4e-5 nats away.
    scale_norms(tuned, 0.0)
    return Policy(tuned, None)


def _check_each_is_there(
    target_modules: str | list[str], model: PreTrainedModel, head_names: list[str]
) -> None:
    """Raises ModelError for a name of which there is no layer: PEFT would train the others."""
    if isinstance(target_modules, str):
        return
    names = [name for name, _ in model.named_modules()]
    for wanted in target_modules:
        if not any(_is_named(name, wanted) for name in names):
            layers = _layers(model, head_names)
            guess = nearest(wanted, layers)
            raise _no_such_layer(
                f"there is no layer {wanted}" + (f"; did you mean {guess}?" if guess else ""),
                f"没有名为 {wanted} 的层" + (f"，是否想写 {guess}？" if guess else ""),
                layers,
            )


def _layers(model: PreTrainedModel, head_names: list[str]) -> list[str]:
    found = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if is_linear(module) and name not in head_names
    }
    return sorted(found)


def _no_such_layer(en: str, zh: str, layers: list[str]) -> ModelError:
    stop = "" if en.endswith("?") else "."
    return ModelError(
        f"model.lora_target_modules: {en}{stop} This model has {', '.join(layers)}; all-linear "
        "takes them all.",
        f"model.lora_target_modules：{zh}{'' if stop == '' else '。'}"
        f"该模型的线性层有 {', '.join(layers)}；all-linear 表示全部。",
    )


def _is_named(name: str, wanted: str) -> bool:
    """As PEFT compares: a module's whole name, or its end."""
    return name == wanted or name.endswith(f".{wanted}")


def _reaches(target_modules: str | list[str], names: list[str]) -> bool:
    """Whether PEFT would put an adapter on one of `names`: a list of endings, or a pattern."""
    if isinstance(target_modules, list):
        return any(_is_named(name, wanted) for name in names for wanted in target_modules)
    try:
        return any(re.fullmatch(target_modules, name) for name in names)
    except re.error:
        return False  # said where PEFT meets it


def _frozen_head(name: str, tied: str | None) -> ModelError:
    if tied:
        return ModelError(
            f"model.lora_target_modules: {tied} and the output head {name} are one weight in this "
            "model, which a KL budget keeps frozen; use all-linear or name other layers.",
            f"model.lora_target_modules：该模型的 {tied} 与输出层 {name} 共用权重，"
            "KL 预算要求它保持冻结；请用 all-linear 或其他层。",
        )
    return ModelError(
        f"model.lora_target_modules: {name} is the output head, which a KL budget keeps frozen; "
        "use all-linear or name other layers.",
        f"model.lora_target_modules：{name} 是输出层，KL 预算要求它保持冻结；"
        "请用 all-linear 或其他层。",
    )


def with_all_weights(model: PreTrainedModel) -> Policy:
    """All weights train (in fp32), against a frozen copy of the base: twice the weights' memory."""
    frozen = copy.deepcopy(model).requires_grad_(False).eval()
    return Policy(model.float().requires_grad_(True), frozen)
