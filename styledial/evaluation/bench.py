"""bench_TASK: accuracy on tasks of EleutherAI's lm-evaluation-harness, before and after.

The harness decides what is measured and how (lm_eval.simple_evaluate); here it is given the model
in memory twice, with the adapter off and on. Tasks go by the harness's names: cmmlu, ceval-valid,
mmlu, or one subject such as cmmlu_chinese_history. It downloads their questions from the hub on
first use.

value = acc_norm where a task has it, else acc; 0 ... 1; interval = value +- 1.96 of the harness's
standard error, over questions. Cost: a forward for each choice of each question, twice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from styledial.errors import UserError
from styledial.evaluation.result import Result
from styledial.models.policy import Policy

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SCORES = ("acc_norm,none", "acc,none", "exact_match,none")


@dataclass(frozen=True)
class Bench:
    """`limit` questions of each task at most, all if None; `folder` has tasks of the user's own."""

    policy: Policy
    tokenizer: PreTrainedTokenizerBase
    tasks: Sequence[str]
    batch_size: int
    limit: int | None = None
    folder: Path | None = None

    def run(self) -> Iterator[Result]:
        """One accuracy a task, interval of 1.96 standard errors. Raises UserError for an unknown
        task or questions that could not be loaded."""
        from lm_eval.tasks import TaskManager

        manager = TaskManager(include_path=str(self.folder) if self.folder else None)
        unknown = [task for task in self.tasks if not manager.match_tasks([task])]
        if unknown:
            raise UserError(
                f"--bench {','.join(unknown)}: not a task of lm-evaluation-harness; "
                "`lm_eval ls tasks` lists them.",
                f"--bench {','.join(unknown)}：lm-evaluation-harness 没有这个任务；"
                "可用 `lm_eval ls tasks` 查看。",
            )
        tuned = self._ask(self.policy.model, manager)
        with self.policy.as_base() as base:
            before = self._ask(base, manager)
        for task in self.tasks:
            value, error = _accuracy(tuned, task)
            interval = (value - 1.96 * error, value + 1.96 * error)
            yield Result(f"bench_{task}", value, interval, "accuracy", _accuracy(before, task)[0])

    def _ask(self, model: Any, manager: Any) -> dict[str, Any]:
        from lm_eval import simple_evaluate
        from lm_eval.models.huggingface import HFLM

        # The harness seeds every generator there is; a run's own state is put back.
        states = random.getstate(), np.random.get_state()
        try:
            with torch.random.fork_rng():
                return simple_evaluate(
                    HFLM(pretrained=model, tokenizer=self.tokenizer, batch_size=self.batch_size),
                    tasks=list(self.tasks),
                    limit=self.limit,
                    task_manager=manager,
                    bootstrap_iters=1000,
                    log_samples=False,
                )
        except OSError as error:  # no network, no such data set: datasets' errors are OSErrors
            reason = str(error).strip().split("\n")[0]
            raise UserError(
                f"--bench {','.join(self.tasks)}: the questions could not be loaded ({reason}). "
                "They are downloaded from the hub on first use; --bench-tasks takes your own.",
                f"--bench {','.join(self.tasks)}：无法取得题目（{reason}）。"
                "题目在首次使用时从模型站下载；也可用 --bench-tasks 指定自备任务。",
            ) from None
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def _accuracy(found: dict[str, Any], task: str) -> tuple[float, float]:
    """A task's, or group's, score and its standard error (0 where the harness gives none)."""
    scores = {**found["results"], **found.get("groups", {})}[task]
    name = next((name for name in _SCORES if name in scores), None)
    if name is None:
        raise UserError(
            f"--bench {task}: has no accuracy; its scores are {', '.join(map(str, scores))}.",
            f"--bench {task}：没有准确率；其指标为 {', '.join(map(str, scores))}。",
        )
    error = scores.get(name.replace(",", "_stderr,"))
    return float(scores[name]), float(error) if isinstance(error, float) else 0.0
