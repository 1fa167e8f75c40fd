"""chat_kl: how far the model's answers to everyday questions are from the base's.

    [ question in the chat template ][ the base's own answer, TOKENS at most ]
                                       KL(tuned || base), a mean over these tokens

Novels and general text are running text: neither shows whether a model's way of answering has
changed, which is what a chat model is used for. The answers are the base's, sampled at temperature
1, so they are where the base would go. Interval: over answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from styledial.data.chat import prompt_ids
from styledial.data.pack import PackedRows
from styledial.evaluation.distance import NATS, kl_of
from styledial.evaluation.result import Result, of_sums
from styledial.models.generation import end_tokens
from styledial.models.policy import Policy
from styledial.models.writing_in_batches import WHOLE_DISTRIBUTION, extend, side_by_side
from styledial.training.measure import ReadOptions, read_rows

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENS = 48
ENGLISH = (
    "How do I boil an egg?",
    "Why is the sky blue?",
    "Write a short email asking a colleague for a meeting on Monday.",
    "What is the difference between a list and a tuple in Python?",
    "Give me three tips for sleeping better.",
    "Explain what a budget is to a ten-year-old.",
    "What should I pack for a weekend in the mountains?",
    "Summarise in one sentence what photosynthesis is.",
    "Suggest a name for a small bakery.",
    "How can I remove a coffee stain from a shirt?",
    "What is the capital of Australia, and what is it known for?",
    "Write two sentences about the history of the bicycle.",
    "How many minutes are there in a day?",
    "Is it safe to leave rice out overnight?",
    "Recommend a simple exercise for a stiff back.",
    "Translate 'good morning' into French and Spanish.",
    "What does a database index do?",
    "How do I write a good title for an article?",
    "List four kinds of renewable energy.",
    "What is the best way to learn a new language?",
    "My laptop is slow. What should I check first?",
    "Explain the rule of three in photography.",
    "What is the opposite of generous?",
    "Plan a dinner for four people without meat.",
)
CHINESE = (
    "怎么煮鸡蛋？",
    "天空为什么是蓝色的？",
    "写一封简短的邮件，约同事周一开会。",
    "Python 的列表和元组有什么区别？",
    "给我三条改善睡眠的建议。",
    "向十岁的孩子解释什么是预算。",
    "周末去爬山该带什么？",
    "用一句话说明什么是光合作用。",
    "给一家小面包店起个名字。",
    "衬衫上的咖啡渍怎么去掉？",
    "澳大利亚的首都是哪里，以什么闻名？",
    "用两句话介绍自行车的历史。",
    "一天有多少分钟？",
    "米饭放一夜还能吃吗？",
    "推荐一个缓解腰背僵硬的简单动作。",
    "把“早上好”翻译成英语和法语。",
    "数据库索引有什么用？",
    "文章的标题怎么写才好？",
    "列出四种可再生能源。",
    "学一门新语言最好的方法是什么？",
    "我的笔记本电脑很慢，先检查什么？",
    "解释摄影中的三分法。",
    "“大方”的反义词是什么？",
    "安排一顿四个人的素食晚餐。",
)


@dataclass(frozen=True)
class Chat:
    """chat_kl over answers that the base writes to `prompts`; nothing without a chat template."""

    policy: Policy
    tokenizer: PreTrainedTokenizerBase
    prompts: Sequence[str]
    reading: ReadOptions
    seed: int

    def run(self) -> Iterator[Result]:
        """One metric. Generates TOKENS for each prompt with the base, and reads them with both."""
        if not self.tokenizer.chat_template:
            return
        with self.policy.as_base() as base:
            rows = answered(base, self.tokenizer, self.prompts, seed=self.seed)
        sums = read_rows(self.policy, rows, **self.reading)
        yield Result("chat_kl", *of_sums(sums, kl_of), NATS, 0.0)


def asked(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """A question's ids up to where the answer begins, as it is asked in a chat."""
    return prompt_ids(tokenizer, prompt, answers=True)


def answered(
    base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], *, seed: int
) -> PackedRows:
    """A row for each question: what is asked unlearnt, the answer and the token that ends it
    learnt."""
    questions = [asked(tokenizer, prompt) for prompt in prompts]
    ends = end_tokens(base, tokenizer)
    opened = side_by_side(questions)
    written = extend(base, opened, tokens=TOKENS, seed=seed, ends=ends, **WHOLE_DISTRIBUTION)
    texts = []
    for question, answer in zip(questions, written, strict=True):
        stop = np.flatnonzero(np.isin(answer, ends))
        kept = answer[: stop[0] + 1] if len(stop) else answer
        texts.append([*(~np.array(question)), *kept])
    tokens = np.zeros((len(texts), max(map(len, texts))), dtype=np.int32)
    for row, text in zip(tokens, texts, strict=True):
        row[: len(text)] = text
    return PackedRows(tokens, [[(0, len(text))] for text in texts])
