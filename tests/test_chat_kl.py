"""KL on the base's own answers in its chat format."""

import numpy as np
import pytest
import torch
from adapters import random_adapter

from styledial.data.pack import IGNORE_INDEX
from styledial.evaluation.chat import CHINESE, ENGLISH, TOKENS, Chat, answered, asked
from styledial.models.load import load_tokenizer
from styledial.models.writing_in_batches import extend, side_by_side
from styledial.training.measure import measure

TEMPLATE = (
    "{% for m in messages %}问：{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}答：{% endif %}"
)
READING = {"batch_size": 4, "device": torch.device("cpu")}
GREEDY = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    found = load_tokenizer(str(tiny_base))
    found.chat_template = TEMPLATE
    return found


@pytest.fixture(scope="module")
def policy(tiny_base):
    return random_adapter(tiny_base).eval()


def test_prompts_of_any_length_are_continued_as_each_alone(policy, tokenizer) -> None:
    prompts = [asked(tokenizer, text) for text in CHINESE[:5]]
    assert len(set(map(len, prompts))) > 2
    together = extend(policy.model, side_by_side(prompts), tokens=12, seed=0, **GREEDY)
    for ids, found in zip(prompts, together, strict=True):
        alone = extend(policy.model, np.array([ids]), tokens=12, seed=0, **GREEDY)
        assert alone[0].tolist() == found.tolist()


def test_only_the_answer_is_read(policy, tokenizer) -> None:
    with policy.as_base() as base:
        rows = answered(base, tokenizer, CHINESE[:6], seed=3)
    end = base.generation_config.eos_token_id
    for row, text in enumerate(CHINESE[:6]):
        question = asked(tokenizer, text)
        assert tokenizer.decode(question) == f"问：{text}\n答："
        batch = rows.batch([row])
        assert batch.input_ids[0, : len(question)].tolist() == question
        learnt = batch.targets[0] != IGNORE_INDEX
        assert not learnt[: len(question) - 1].any()
        answer = batch.targets[0][learnt].tolist()
        assert len(answer) == TOKENS or answer[-1] == end
        assert end not in answer[:-1]


def test_it_is_the_mean_over_the_answers_tokens(policy, tokenizer) -> None:
    (found,) = Chat(policy, tokenizer, CHINESE, READING, seed=5).run()
    with policy.as_base() as base:
        rows = answered(base, tokenizer, CHINESE, seed=5)
    by_hand = measure(policy, rows, **READING)
    assert (found.name, found.unit, found.base) == ("chat_kl", "nats per token", 0.0)
    assert found.value == pytest.approx(by_hand.kl, rel=1e-6)
    assert found.value > 1e-6
    assert found.ci[0] < found.value < found.ci[1]


def test_an_untuned_model_is_at_zero_and_a_base_without_template_has_no_figure(
    tiny_base, tokenizer
) -> None:
    fresh = random_adapter(tiny_base, spread=0.0).eval()
    (found,) = Chat(fresh, tokenizer, ENGLISH[:4], READING, seed=0).run()
    assert found.value == pytest.approx(0.0, abs=1e-9)
    plain = load_tokenizer(str(tiny_base))
    assert list(Chat(fresh, plain, ENGLISH[:4], READING, seed=0).run()) == []
