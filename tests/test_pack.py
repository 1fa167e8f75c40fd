"""Packing: nothing lost, nothing seen across documents, ends only at real ends."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from styledial.data.pack import IGNORE_INDEX, documents, pack
from styledial.data.passage import Dialogue, Passage


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return AutoTokenizer.from_pretrained(tiny_base)


def test_ends_stand_only_at_real_ends(tokenizer) -> None:
    passages = [
        Passage("江湖", "a"), Passage("夜雨", "a", ends_book=True),
        Passage("春风", "b"), Passage("秋月", "b", split="heldout", ends_book=True),
    ]  # fmt: skip
    texts = [tokenizer.decode(ids) for ids in documents(passages, tokenizer)]
    end = tokenizer.eos_token
    assert texts == [f"江湖\n夜雨{end}", "春风", f"秋月{end}"]


def test_every_token_is_a_target_once(tokenizer) -> None:
    text = "".join(chr(0x4E00 + i) for i in range(100))
    rows = pack([Passage(text, "a", ends_book=True)], tokenizer, 32)
    ids = next(documents([Passage(text, "a", ends_book=True)], tokenizer))
    batch = rows.batch(range(len(rows)))
    targets = batch.targets[batch.targets != IGNORE_INDEX].tolist()
    assert sorted(targets) == sorted(ids[1:])
    assert rows.total_targets == len(ids) - 1


def test_short_pieces_share_rows_without_waste(tokenizer) -> None:
    passages = [Passage("江湖夜雨" * n, str(n), ends_book=True) for n in range(1, 8)]
    rows = pack(passages, tokenizer, 64)
    used = sum(length for row in rows.pieces for _, length in row)
    assert used / (len(rows) * 65) > 0.85


def test_rows_are_not_shared_where_attention_would_mix_them(tokenizer) -> None:
    passages = [Passage("江湖夜雨" * n, str(n), ends_book=True) for n in range(1, 8)]
    rows = pack(passages, tokenizer, 64, share_rows=False)
    assert [len(pieces) for pieces in rows.pieces] == [1] * 7
    assert rows.total_targets == pack(passages, tokenizer, 64).total_targets


def test_a_packed_document_is_computed_as_if_alone(tokenizer, tiny_base) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.float32).eval()
    passages = [
        Passage(text, text, ends_book=True) for text in ("江湖夜雨十年灯", "话说当年", "他道")
    ]
    rows = pack(passages, tokenizer, 32)
    assert len(rows) == 1
    assert len(rows.pieces[0]) == 3
    batch = rows.batch([0])
    with torch.no_grad():
        packed = model(batch.input_ids, position_ids=batch.position_ids, use_cache=False).logits[0]
        for start, length in rows.pieces[0]:
            alone = model(batch.input_ids[:, start : start + length]).logits[0]
            assert (packed[start : start + length] - alone).abs().max() < 1e-5


def test_a_long_book_needs_no_position_ids(tokenizer) -> None:
    rows = pack([Passage("江湖夜雨" * 100, "a")], tokenizer, 32)
    assert rows.batch([0]).position_ids is None


def test_questions_are_read_but_not_learnt(tokenizer) -> None:
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}"
        "{% if m.role == 'assistant' %}<|endoftext|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    dialogue = Dialogue(
        [{"role": "user", "content": "江湖在哪"}, {"role": "assistant", "content": "话说当年"}], "d"
    )
    rows = pack([], tokenizer, 64, [dialogue])
    batch = rows.batch([0])
    text = tokenizer.decode(batch.input_ids[0], skip_special_tokens=False)
    assert text.startswith("[user]江湖在哪[assistant]话说当年<|endoftext|>")
    learnt = batch.targets[batch.targets != IGNORE_INDEX]
    assert tokenizer.decode(learnt) == "话说当年<|endoftext|>"
    assert rows.total_targets == len(learnt) == 5
    tokenizer.chat_template = None
