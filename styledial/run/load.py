"""What each process of a run loads on its own: memory plan, tokenizer, texts, model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache as cached
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styledial.build.model import as_its_files, build_policy
from styledial.build.shared_texts import read_texts
from styledial.build.texts import Texts
from styledial.config import Config
from styledial.data.tokens import opening_ids, text_ids
from styledial.distributed import ranks
from styledial.distributed.ranks import Place
from styledial.memory.plan import Plan
from styledial.memory.settle import WhenTooLarge, settle
from styledial.models.configuration import model_config
from styledial.models.limits import check_ids, check_length
from styledial.models.load import load_tokenizer, quiet_libraries
from styledial.models.policy import Policy
from styledial.monitor.screen import Screen
from styledial.run import start_block
from styledial.run_folder.cache import make_cache

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass
class Loaded:
    """What each process loads on its own. `config`: with what was fitted to the GPU's memory;
    `cache`: the folder of the reference cache."""

    config: Config
    planned: Plan | None
    tokenizer: Any
    texts: Texts
    policy: Policy
    cache: Path


def load(
    config: Config, folder: Path, here: Place, screen: Screen, when_too_large: WhenTooLarge
) -> Loaded:
    """There is no collective before `meet`, so nothing here can exceed its time limit."""
    from accelerate.utils import set_seed

    quiet_libraries()
    cache = make_cache(folder)
    if here.first:
        for line in start_block.model_rows(config):
            screen.line(line)
    store = ranks.rendezvous(here)
    ranks.use_own_device(here)
    config, planned = settle(
        config, when_too_large=when_too_large, here=here, store=store, note=screen.note
    )
    tokenizer_once = cached(partial(_tokenizer, config))
    texts = read_texts(config, tokenizer_once, cache, here, screen.line)
    tokenizer = tokenizer_once()
    config = as_its_files(config)  # what no hub told before is here now
    _check_ids(config, texts, tokenizer)
    set_seed(config.training.seed)
    policy = build_policy(config)
    ranks.meet(here, store)
    return Loaded(config, planned, tokenizer, texts, policy, cache)


def _tokenizer(config: Config) -> Any:
    """The base's tokenizer, once it is clear that the base can read rows of this length."""
    model = config.model
    tokenizer = load_tokenizer(model.model_name_or_path, trust_remote_code=model.trust_remote_code)
    check_length(_shape(config), model.model_name_or_path, config.data.max_length)
    return tokenizer


def _shape(config: Config) -> PretrainedConfig:
    model = config.model
    return model_config(model.model_name_or_path, trust_remote_code=model.trust_remote_code)


def _check_ids(config: Config, texts: Texts, tokenizer: Any) -> None:
    """Raises ModelError where the tokenizer gives ids that the base doesn't know."""
    prompts = text_ids(tokenizer, texts.prompts)
    highest = (
        (f"data.data_dir {config.data.data_dir}", texts.style.highest_id),
        (f"data.data_dir {config.data.data_dir}", texts.heldout.highest_id),
        (f"data.general {config.data.general}", texts.general.highest_id),
        ("prompts", max([*opening_ids(tokenizer), *prompts], default=-1)),
    )
    size = _shape(config).get_text_config().vocab_size
    check_ids(highest, size, tokenizer, config.model.model_name_or_path)
