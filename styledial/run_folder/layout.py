"""Names of a run's files."""

from __future__ import annotations

from styledial import places
from styledial.data.reading import beside_model
from styledial.dial import FILE as DIAL

SETTINGS = "train_config.yaml"
METRICS = "metrics.jsonl"
BASE = "base.json"  # which base, how it was loaded, and what it was
TRACKER_RUNS = "trackers.json"  # by which ids trackers know this run, to go on with it there
PLAN = "plan.json"  # what memory was planned; only where there was a GPU to plan for
SUMMARY = "summary.json"  # present only if the run has finished
SAMPLES, SAMPLES_DATA = beside_model.SAMPLES, "samples.json"
STRENGTH_SAMPLES = "strength_samples.json"  # one prompt at several strengths
DATA_MANIFEST = "data_manifest.json"
EVALUATION = "evaluation.json"
REPORT = "report.html"
ADAPTER_SETTINGS, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MODEL_SETTINGS, MODEL_WEIGHTS = "config.json", "model.safetensors"
CHECKPOINTS = places.CHECKPOINTS  # checkpoints/step-N
CHECKPOINT_MANIFEST = "manifest.json"  # checkpoints/step-N/manifest.json
EXPORT = "export"  # export/NAME: an adapter of another strength, by `styledial dial`
TRACKED = "tensorboard"  # event files; other trackers keep theirs for good
CACHE = places.CACHE  # sampled anchor text and reference states; gone when the run is done
OWN = places.OWN  # lock, manifest, and files being written or removed

WEIGHTS = beside_model.WEIGHTS
_TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "chat_template.jinja", "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model",
    "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip

# What is about the model that lies there: out of date as soon as another one takes its place.
ABOUT_THE_MODEL = (
    SUMMARY, EVALUATION, DIAL, SAMPLES, SAMPLES_DATA, STRENGTH_SAMPLES, DATA_MANIFEST, REPORT,
)  # fmt: skip


def written_names(*, adapter: bool) -> tuple[str, ...]:
    """Names that a run may write at the top of its folder; `adapter` is false for full tuning."""
    reports = (SETTINGS, METRICS, BASE, PLAN, TRACKER_RUNS, *ABOUT_THE_MODEL)
    if adapter:
        return (*reports, ADAPTER_SETTINGS, ADAPTER_WEIGHTS, *_TOKENIZER)
    return (*reports, MODEL_SETTINGS, "generation_config.json", MODEL_WEIGHTS, *_TOKENIZER)
