"""How much text a run reads to measure itself, so that measuring costs about a tenth of it.

Counted in forward passes over a token, of which an update's token takes four. What is read is set
by the planned updates and the model's size alone, so that the same run reads the same text on any
machine. Where measuring is cheap, because the model is tiny, the maximum is read.

    landing       six readings of one half of the held-out rows, the base's part kept
    conclusion    both models over the other half, over general text and some of the learnt text
    meanwhile     a dozen readings of a few held-out rows, the base's part kept
    samples       each prompt by the base and by the tuned model, the first at other strengths too
    evaluation    by what it writes, where a tenth of the run pays for it; it has a least size
"""

from __future__ import annotations

from dataclasses import dataclass

# Of what an update's tokens cost, in forward passes: forward, backward (two) and the base's.
_UPDATE = 4
_SHARE = 0.1
# Floating-point operations that are negligible: 20 s of a CPU core (SmolLM2, 2.7 ms a pass).
_FREE = 2e12
# A token that is written reads all weights for itself alone, where a row's tokens share them: some
# 40 passes on a CPU, and more on a GPU.
_WRITTEN = 40
_WRITING = 0.5  # of what reading costs
_OTHER_STRENGTHS = 3
# What the smallest evaluation costs: 24 passages by each model, 24 chat answers, 24 places with
# three prefixes; 97 s on SmolLM2, of which a pass over a token took 2.7 ms.
_EVALUATION = 36_000


@dataclass(frozen=True)
class Readings:
    """Tokens of each text, at most; `times`: how often held-out text is read during training;
    `prompts`: of how many prompts there are samples, of `sample` tokens each at most;
    `evaluation`: whether `evaluate_at_end: auto` evaluates the run."""

    heldout: int
    general: int
    learnt: int
    calibration: int
    times: int
    prompts: int = 3
    sample: int = 120
    evaluation: bool = True


# More changes the fourth digit of the figures; less leaves a KL uncertain by a tenth.
MOST = Readings(49_152, 32_768, 6_144, 6_144, 12)
LEAST = Readings(4_096, 2_048, 512, 512, 3, prompts=1, sample=60)
# A run on fewer tokens is a trial, and would be measured for longer than it trains: it reads half
# of the least, nothing of what it learnt, and held-out text meanwhile once, at the end.
_TRIAL = 20_000


def readings(trained_tokens: int, parameters: int, *, chooses: bool = False) -> Readings:
    """What a run of so many trained tokens reads, on a model of so many parameters; `chooses`:
    whether the best of its readings decides which weights are kept."""
    passes = max(_SHARE * _UPDATE * trained_tokens, _FREE / (2 * max(parameters, 1)))

    def part(share: float, least: float, most: int) -> int:
        return int(min(max(share * passes, least), most))

    written = _WRITING * passes / _WRITTEN
    sample = min(max(written / (2 + _OTHER_STRENGTHS), LEAST.sample), MOST.sample)
    prompts = min(max((written / sample - _OTHER_STRENGTHS) / 2, LEAST.prompts), MOST.prompts)
    is_trial = passes < _SHARE * _UPDATE * _TRIAL
    least = 0.5 if is_trial else 1.0
    meanwhile = 0.17 * passes
    calibration = part(0.17 / MOST.times, LEAST.calibration, MOST.calibration)
    times = min(max(meanwhile / calibration, LEAST.times), MOST.times)
    return Readings(
        heldout=part(0.12, least * LEAST.heldout, MOST.heldout),
        general=part(0.08, least * LEAST.general, MOST.general),
        learnt=0 if is_trial else part(0.015, LEAST.learnt, MOST.learnt),
        calibration=calibration,
        times=1 if is_trial and not chooses else int(times),
        prompts=int(prompts),
        sample=int(sample),
        evaluation=passes >= _EVALUATION,
    )
