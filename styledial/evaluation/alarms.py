"""Which rates of copying are a reason to warn: read by the evaluation, and by the report later."""

from __future__ import annotations

from collections.abc import Iterable

from styledial.evaluation.result import Result

# A warning is given above this rate.
COPIES = 0.02
# Of the training books, and of the books that `--probe` names.
FROM_TRAINING = ("long_copy_rate", "extraction_rate")
PROBE = "probe_extraction_rate"


def raised(found: Iterable[Result], *kinds: str) -> list[Result]:
    """The rates of these kinds that are above COPIES and surely (by their interval's lower end)
    above both the base's and what held-out text of the books has in common with the rest."""
    return [
        each
        for each in found
        if each.name.startswith(kinds) and each.value > COPIES and each.ci[0] > usual(each)
    ]


def usual(result: Result) -> float:
    """What the rate would be without any copying by the tuned model."""
    return max(result.base or 0.0, result.books or 0.0)
