"""The files of a run folder: their names, once."""

from __future__ import annotations

SUMMARY = "summary.json"
SETTINGS = "train_config.yaml"
METRICS = "metrics.jsonl"
SAMPLES, SAMPLES_DATA = "samples.md", "samples.json"
DATA_MANIFEST = "data_manifest.json"
EVALUATION = "evaluation.json"
