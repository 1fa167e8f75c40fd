"""One model that writes: a run, an exported adapter, a merged folder or a plain base.

model = load("outputs/style", kl_beta=0.1)
model.generate("The door opened and")
model.strength = 0.05                        # nothing is loaded again
for piece in model.stream("The door opened and"): ...
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styledial.data.chat import Message, asked_ids, prompt_ids
from styledial.dial import FILE as DIAL
from styledial.dial import DialPoint, load_dial, strongest
from styledial.errors import UserError
from styledial.files import expanded
from styledial.inference.strengths import scale_at
from styledial.models.adapter import load_adapter, load_plain, scaled
from styledial.models.generation import (
    Sampling,
    answers_by_template,
    continue_ids,
    streamed_ids,
)
from styledial.models.load import quiet_libraries
from styledial.models.policy import Policy
from styledial.run_folder.described import describe_adapter, names_plain_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_MOST_CHARACTERS = 64  # no token has more of them, but for runs of spaces


class StyleModel:
    """A model that writes. Not for several threads at once: they would share the strength.

    `is_chat`: whether a prompt is a message that it answers by its chat template (None: where it
    was taught to); others continue a text.
    """

    def __init__(
        self,
        model: Policy | PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str,
        points: Sequence[DialPoint] = (),
        trained: float | None = None,
        answers: bool | None = None,
    ) -> None:
        plain = model.causal_lm if isinstance(model, Policy) else model
        if answers is None:
            answers = answers_by_template(plain, tokenizer)
        self.is_chat = answers and bool(tokenizer.chat_template)
        self.tokenizer = tokenizer
        self.name = name
        self._model = model
        self._points = points
        self._trained = trained
        self._strength = trained
        self._scale = 1.0

    @property
    def strength(self) -> float | None:
        """KL to the base in nats per token; 0 is the base, None where it was not measured."""
        return self._strength

    @strength.setter
    def strength(self, kl_beta: float) -> None:
        """Raises UserError for a strength out of reach, and for a model that has only its own."""
        if kl_beta == math.inf and self.policy:  # max
            kl_beta = strongest(self._dial()).kl
        self._scale = self.scale_of(kl_beta)
        self._strength = float(kl_beta)

    def scale_of(self, kl_beta: float | None) -> float:
        """The adapter's scale with this KL, 0 for the base, None as it is now; raises UserError as
        `strength` does."""
        if kl_beta is None:
            return self._scale
        if not (self.policy and self.policy.is_adapter):
            raise UserError(
                f"{self.name}: is one whole model, whose strength is fixed; load the adapter.",
                f"{self.name}：是完整模型，强度已固定；请加载适配器。",
            )
        if kl_beta in (0, self._trained):
            return float(kl_beta != 0)
        return scale_at(self._dial(), kl_beta)

    @property
    def policy(self) -> Policy | None:
        """The tuned model with its base; None of a whole model, which has none beside it."""
        return self._model if isinstance(self._model, Policy) else None

    def asked(self, prompt: str) -> str | list[Message]:
        """The prompt in the form for this model: a message to answer, or a text to continue."""
        return [{"role": "user", "content": prompt}] if self.is_chat else prompt

    def generate(
        self,
        prompt: str | Sequence[Message],
        *,
        max_new_tokens: int = 200,
        seed: int = 42,
        temperature: float = 0.8,
    ) -> str:
        """What the model writes after `prompt`: a text to continue, or messages to answer.

        The same seed gives the same text on the same device; temperature 0 is greedy decoding.
        """
        how = Sampling(max_new_tokens, seed, temperature)
        with self.at_scale(self._scale) as model:
            return continue_ids(model, self.tokenizer, self.ids_of(prompt), how)

    def stream(
        self,
        prompt: str | Sequence[Message],
        *,
        max_new_tokens: int = 200,
        seed: int = 42,
        temperature: float = 0.8,
    ) -> Iterator[str]:
        """As `generate`, in pieces as they are written; one that is left early stops writing."""
        how = Sampling(max_new_tokens, seed, temperature)
        with self.at_scale(self._scale) as model:
            yield from streamed_ids(model, self.tokenizer, self.ids_of(prompt), how)

    def ids_of(self, prompt: str | Sequence[Message]) -> list[int]:
        """What the model reads for `prompt`. Raises UserError for one that is too long."""
        ids = self._encoded(prompt)
        self._check_length(len(ids))
        return ids

    def _check_length(self, tokens: float) -> None:
        """Raises UserError for a prompt longer than the model's context."""
        model: Any = self._model.causal_lm if isinstance(self._model, Policy) else self._model
        most = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        if most and tokens >= most:
            raise UserError(
                f"the prompt has about {tokens:,.0f} tokens; the model reads {most:,} at most. "
                "Shorten it.",
                f"提示约有 {tokens:,.0f} 个 token，而模型最多能读 {most:,} 个。请缩短。",
            )

    def _encoded(self, prompt: str | Sequence[Message]) -> list[int]:
        if isinstance(prompt, str):
            self._check_length(len(prompt) / _MOST_CHARACTERS)  # before an hour of tokenising
            return prompt_ids(self.tokenizer, prompt, answers=False)
        if not self.tokenizer.chat_template:
            raise UserError(
                f"{self.name}: has no chat template, so it can't answer messages; give it a text "
                "to continue.",
                f"{self.name}：没有对话模板，无法回答消息；请给出要续写的文字。",
            )
        try:
            return asked_ids(self.tokenizer, prompt)
        except Exception as error:  # a template is a program, and refuses what it has no use for
            raise UserError(
                f"{self.name}: its chat template refuses these messages ({error}). Leave out the "
                "system message, or ask for plain continuation: --plain.",
                f"{self.name}：其对话模板拒绝了这些消息（{error}）。请去掉系统消息，"
                "或改用直接续写：--plain。",
            ) from None

    @contextlib.contextmanager
    def at_scale(self, scale: float) -> Iterator[Any]:
        """The model at `scale` times the adapter (0: the base), within the block."""
        model = self._model
        if not isinstance(model, Policy):
            yield model
            return
        here: AbstractContextManager[Any] = contextlib.nullcontext(model.model)
        if model.is_adapter and scale == 0:
            here = model.as_base()
        turned = scaled(model, scale) if scale not in (0, 1) else None
        with turned or contextlib.nullcontext(), here as writing:
            yield writing

    def _dial(self) -> Sequence[DialPoint]:
        return self._points or load_dial(Path(self.name))


def load(
    folder: str | Path,
    kl_beta: float | None = None,
    *,
    base: str | None = None,
    answers: bool | None = None,
    **loading: Any,
) -> StyleModel:
    """A run, an exported adapter, a merged folder or a plain base, ready to write.

    `kl_beta` is the strength (None: as trained; 0: the base), `base` says where an adapter's base
    is now, `answers` whether it answers prompts by its chat template (None: as the run did, or
    where the base was taught to); `loading`: options of `load_base`. Costs the base's weights in
    memory. Raises UserError for what can't be loaded, and for a strength out of reach or that was
    never measured (`styledial dial` measures it).
    """
    quiet_libraries()
    place = expanded(folder)
    if not names_plain_model(str(folder)):
        summary = describe_adapter(place)
        policy, tokenizer = load_adapter(place, base=base, **loading)
        points = load_dial(place) if (place / DIAL).is_file() else []
        trained = summary.get("kl_final", summary.get("kl_beta"))
        if answers is None:
            answers = summary.get("answers")
        kept: dict[str, Any] = {"points": points, "trained": trained, "answers": answers}
        model = StyleModel(policy, tokenizer, name=str(place), **kept)
    else:
        model = StyleModel(*load_plain(str(folder)), name=str(folder), answers=answers)
    if kl_beta is not None:
        model.strength = kl_beta
    return model
