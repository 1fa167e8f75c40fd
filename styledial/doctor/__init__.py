"""What limits a run, from its own files: rules, each with its evidence and its next step.

budget    budget_exceeded, budget_not_reached, style_saturated, budget_binding
learning  learning_rate_too_high, learning_rate_too_low
text      too_little_data, overfitting, memorising
output    not_fluent, forgetting
speed     slow_reference, slow_small_micro_batch, slow_checkpoints, memory_headroom
"""

from styledial.doctor.examine import RULES, examine, limit, unjudged
from styledial.doctor.finding import Finding, Severity
from styledial.doctor.strength import overshoot
from styledial.doctor.words import LastWords, first_thing, last_words

__all__ = [
    "RULES",
    "Finding",
    "LastWords",
    "Severity",
    "examine",
    "first_thing",
    "last_words",
    "limit",
    "overshoot",
    "unjudged",
]
