"""Files that lie with a model or a run and are no novels, though of a kind that is read.

Only these very names, in such a folder: novels of the user's beside them are read.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from fnmatch import fnmatch
from pathlib import Path

from styledial.files import read_json
from styledial.places import OWN

# Of a run; run_folder/layout.py has its other names.
OWN_MANIFEST = "manifest.json"
SAMPLES = "samples.md"
# A model's weights: a folder that holds some is taken for a model.
WEIGHTS = (
    "*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin", "adapter_model.bin",
    "*.gguf",
)  # fmt: skip
_SETTINGS = {"config.json", "adapter_config.json"}
_ABOUT_IT = re.compile(
    r"(?:readme|license|licence|notice|use_policy)(?:[._-]\w+)?\.(?:md|txt)", re.I
)
_OF_IT = {
    "merges.txt", "vocab.txt", "vocab.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "generation_config.json", "configuration.json",
    "preprocessor_config.json", "processor_config.json", "chat_template.json", "trainer_state.json",
    SAMPLES, *_SETTINGS,
}  # fmt: skip
# What the header of a model card has, and no other text: https://huggingface.co/docs/hub/model-cards
_OF_CARD = re.compile(r"^(?:library_name|base_model|pipeline_tag):", re.M)


def beside_model(folder: Path, names: Collection[str]) -> set[str]:
    """Those of `names`, all that lies in `folder`, that belong to a model or a run there."""
    found = {name for name in names if name.lower() == "readme.md" and _is_card(folder / name)}
    if _holds_model(names):
        found |= {name for name in names if name in _OF_IT or _ABOUT_IT.fullmatch(name)}
        found |= {name for name in names if name.endswith(".safetensors.index.json")}
    if OWN in names:
        found |= _written_by_run(folder).intersection(names)
    return found


def _holds_model(names: Collection[str]) -> bool:
    if any(name.endswith(".gguf") for name in names):
        return True
    has_weights = any(fnmatch(name, pattern) for name in names for pattern in WEIGHTS)
    return has_weights and not _SETTINGS.isdisjoint(names)


def _written_by_run(folder: Path) -> set[str]:
    try:
        content = read_json(folder / OWN / OWN_MANIFEST)
        return set(content["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _is_card(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            header, end, _ = file.read(4000).partition("\n---")
    except (OSError, UnicodeDecodeError):
        return False
    return bool(end) and header.startswith("---\n") and _OF_CARD.search(header) is not None
