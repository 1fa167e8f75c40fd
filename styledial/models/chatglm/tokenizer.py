"""ChatGLM3's tokenizer as a fast one, with the original's ids.

    text "a b" -> "▁a▁b" -> BPE, unknown characters as UTF-8 bytes -> ids 0 .. n-1
    [MASK] [gMASK] [sMASK] sop eop <|system|> <|user|> <|assistant|> <|observation|> = n .. n+8
    a sequence opens with [gMASK] sop

`n` is the size of the sentencepiece vocabulary (64789 in the published model). In the original
<unk> doubles as padding (0), <s> is 1 and </s> is 2.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from styledial.models.chatglm.pieces import CONTROL, NORMAL, UNKNOWN, USER_DEFINED, read_pieces

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

ROLES = ("system", "user", "assistant", "observation")
SPECIAL = ("[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", *(f"<|{role}|>" for role in ROLES))
OPENING = ("[gMASK]", "sop")
_SPACE = "▁"

# The prompt for other programs. A literal "<|user|>" in a message becomes a control token there;
# chat.py avoids that, as it doesn't go through text.
_CHAT_TEMPLATE = (
    "[gMASK]sop{% for message in messages %}<|{{ message['role'] }}|>\n"
    "{% if message['content'] %} {{ message['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def build_tokenizer(model_file: Path, max_length: int) -> PreTrainedTokenizerFast:
    """A fast tokenizer from `tokenizer.model`; costs about 10 s for 65,000 pieces.

    Raises ModelError if the file isn't what ChatGLM3 uses.
    """
    from tokenizers import AddedToken
    from transformers import PreTrainedTokenizerFast

    backend = _backend(model_file)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        pad_token="<unk>",
        eos_token="</s>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
        additional_special_tokens=[AddedToken(token, normalized=False) for token in SPECIAL],
    )
    tokenizer.chat_template = _CHAT_TEMPLATE
    return tokenizer


def _backend(model_file: Path) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    read = read_pieces(model_file)
    vocabulary = {text: index for index, (text, _, _) in enumerate(read.pieces)}
    backend = Tokenizer(
        models.BPE(
            vocabulary,
            merges(read.pieces),
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    steps: list[Any] = []
    if read.precompiled_charsmap:
        steps.append(normalizers.Precompiled(read.precompiled_charsmap))
    if read.escape_whitespaces:
        steps.append(normalizers.Replace(" ", _SPACE))
    if read.add_dummy_prefix:
        steps.append(normalizers.Prepend(_SPACE))
    backend.normalizer = normalizers.Sequence(steps)
    joined = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    backend.decoder = decoders.Sequence([*joined, decoders.Strip(" ", 1, 0)])
    controls = [text for text, _, kind in read.pieces if kind in (CONTROL, UNKNOWN)]
    backend.add_special_tokens([AddedToken(t, normalized=False) for t in (*controls, *SPECIAL)])
    backend.add_tokens(
        [
            AddedToken(text, normalized=True, special=False)
            for text, _, kind in read.pieces
            if kind == USER_DEFINED
        ]
    )
    opening = [(token, backend.token_to_id(token)) for token in OPENING]
    backend.post_processor = processors.TemplateProcessing(
        single=[*OPENING, "$A"],
        pair=[*OPENING, "$A", "$B:1", "</s>:1"],
        special_tokens=[*opening, ("</s>", backend.token_to_id("</s>"))],
    )
    return backend


def merges(pieces: list[tuple[str, float, int]]) -> list[tuple[str, str]]:
    """The merges that sentencepiece makes, best first.

    It joins the two neighbours whose joined piece scores highest, whatever they were made of;
    as merges that is every way to cut a piece into two pieces, ordered by the piece's score.
    """
    normal = {text: (score, i) for i, (text, score, kind) in enumerate(pieces) if kind == NORMAL}
    found: list[tuple[float, int, int, str, str]] = []
    for text, (score, index) in normal.items():
        for cut in range(1, len(text)):
            left, right = text[:cut], text[cut:]
            if left in normal and right in normal:
                found.append((-score, index, cut, left, right))
    found.sort(key=lambda merge: merge[:3])
    return [(left, right) for *_, left, right in found]
