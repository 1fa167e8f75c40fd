"""What a base can read: so many positions, and ids below so many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from styledial.errors import ModelError, UserError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_POSITIONS = ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len")
# Their factor multiplies the positions; llama3's and longrope's are counted in the config already.
_STRETCHING = ("linear", "dynamic", "yarn")


def positions(shape: PretrainedConfig) -> int | None:
    """The longest row that the base was made for, stretched by its rope scaling; None: no limit."""
    text = shape.get_text_config()
    given = next((n for key in _POSITIONS if isinstance(n := getattr(text, key, None), int)), None)
    if given is None or given <= 0 or getattr(text, "alibi", False):
        return None
    return max([given, *(_stretched(given, rope) for rope in _ropes(text))])


def _ropes(text: PretrainedConfig) -> Iterator[Mapping[str, Any]]:
    """Settings of rotary positions: one set, or one for each kind of layer."""
    for key in ("rope_parameters", "rope_scaling"):
        found = getattr(text, key, None)
        if isinstance(found, Mapping):
            yield found
            yield from (inner for inner in found.values() if isinstance(inner, Mapping))


def _stretched(given: int, rope: Mapping[str, Any]) -> int:
    if rope.get("rope_type", rope.get("type")) not in _STRETCHING:
        return given
    original = rope.get("original_max_position_embeddings") or given
    return int(original * float(rope.get("factor") or 1.0))


def check_length(shape: PretrainedConfig, model: str, max_length: int) -> None:
    """Raises UserError where rows are longer than the base has positions for."""
    most = positions(shape)
    if most is not None and max_length > most:
        raise UserError(
            f"data.max_length: {max_length} is more than the {most} positions that {model} was "
            f"made for. Set data.max_length={most} or less.",
            f"data.max_length：{max_length} 超过了 {model} 支持的 {most} 个位置。"
            f"请设为 {most} 或更小：data.max_length={most}。",
        )


def check_ids(highest: Iterable[tuple[str, int]], size: int, tokenizer: Any, model: str) -> None:
    """Raises ModelError where a text has an id that the base has no embedding for.

    highest: (what was read, its highest id); size: rows of the embedding.
    """
    for source, found in highest:
        if found >= size:
            raise ModelError(
                f"{source}: the tokenizer of {tokenizer.name_or_path} ({len(tokenizer)} tokens) "
                f"gives the id {found}, but the embedding of {model} has only {size} rows (0 to "
                f"{size - 1}). The two don't belong together; put the model's own tokenizer files "
                "back, or use a model whose embedding was resized for the added tokens.",
                f"{source}：{tokenizer.name_or_path} 的分词器（{len(tokenizer)} 个词元）给出了编号 "
                f"{found}，而 {model} 的词嵌入只有 {size} 行（0 到 {size - 1}）。二者不配套；"
                "请换回该模型自带的分词器文件，或使用已为新增词元扩充词嵌入的模型。",
            )
