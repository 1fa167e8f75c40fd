"""Values as people write them, in YAML and on the command line; what may mean two things is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from styledial.config import resolve
from styledial.config.as_written import chosen, listed
from styledial.config.hub_address import model_in
from styledial.config.whole import SECTIONS
from styledial.errors import ConfigError, UserError

DTYPE, SCHEDULE = "model.dtype", "training.lr_scheduler_type"
TRACKERS, LAYERS = "training.report_to", "model.lora_target_modules"
MODEL, ANCHOR = "model.model_name_or_path", "data.anchor"

UNDERSTOOD: list[tuple[str, str, Any]] = [
    (DTYPE, "bf16", "bfloat16"),
    (DTYPE, "BF16", "bfloat16"),
    (DTYPE, "fp16", "float16"),
    (DTYPE, "half", "float16"),
    (DTYPE, "fp32", "float32"),
    (DTYPE, "torch.bfloat16", "bfloat16"),
    (DTYPE, "“bf16”", "bfloat16"),
    (DTYPE, "ＢＦ１６", "bfloat16"),
    (SCHEDULE, "Cosine", "cosine"),
    (SCHEDULE, "constant-with-warmup", "constant_with_warmup"),
    (SCHEDULE, "SchedulerType.LINEAR", "linear"),
    ("model.attn_implementation", "FlashAttention-2", "flash_attention_2"),
    ("model.attn_implementation", "fa2", "flash_attention_2"),
    (TRACKERS, "tensorboard,wandb", ["tensorboard", "wandb"]),
    (TRACKERS, "TensorBoard，WandB", ["tensorboard", "wandb"]),
    (TRACKERS, "[tensorboard，wandb]", ["tensorboard", "wandb"]),
    (TRACKERS, "wandb", "wandb"),
    (TRACKERS, "None", "none"),
    (TRACKERS, "false", "none"),
    (TRACKERS, "[]", "none"),
    (TRACKERS, "ALL", "all"),
    (LAYERS, "q_proj,v_proj", ["q_proj", "v_proj"]),
    (LAYERS, "q_proj, v_proj", ["q_proj", "v_proj"]),
    (LAYERS, "q_proj v_proj", ["q_proj", "v_proj"]),
    (LAYERS, "q_proj、v_proj", ["q_proj", "v_proj"]),
    (LAYERS, "【q_proj，v_proj】", ["q_proj", "v_proj"]),
    (LAYERS, "q_proj", ["q_proj"]),
    (LAYERS, "“q_proj”，“v_proj”", ["q_proj", "v_proj"]),
    (LAYERS, "W_pack", ["W_pack"]),
    (LAYERS, "All_Linear", "all-linear"),
    (LAYERS, "all", "all-linear"),
    (LAYERS, "'.*(q_proj|v_proj)'", ".*(q_proj|v_proj)"),
    (ANCHOR, "none", "off"),
    (ANCHOR, "无", "off"),
    (ANCHOR, "Self", "self"),
    ("training.reference_cache", "AUTO", "auto"),
    ("training.reference_cache", "none", "off"),
    ("training.kl_mode", "Budget", "budget"),
    ("training.kl_mode", "no", "off"),
    ("training.fsdp", "full_shard", "on"),
    ("training.fsdp", "yes", "on"),
    ("training.per_device_train_batch_size", "Auto", "auto"),
    ("model.use_peft", "True", True),
    ("model.use_peft", "NO", False),
    ("model.load_in_4bit", "是", True),
    ("model.load_in_4bit", "关", False),
    ("model.lora_alpha", "None", None),
    ("training.kl_beta", "0。1", 0.1),
    ("training.kl_beta", "０．１", 0.1),
    ("training.learning_rate", "1e–4", 1e-4),  # an en dash
    ("training.warmup_ratio", "5%", 0.05),
    ("data.validation_split", "１０％", 0.1),
    ("training.max_steps", "1e3", 1000),
    ("training.max_steps", "−1", -1),  # a minus sign
    ("data.data_dir", "“/nowhere/小说，续”", "/nowhere/小说，续"),
    ("data.data_dir", "2026", "2026"),
    ("data.anchor", "2026", "2026"),
    ("training.reference_cache", "2026", "2026"),
    ("data.data_dir", "novels%E5%AD%97", "novels%E5%AD%97"),
    ("training.output_dir", "1.50", "1.50"),
    ("training.output_dir", "2026-11-27", "2026-11-27"),
    ("training.output_dir", "007", "007"),
    ("model.revision", "1.0", "1.0"),
    ("model.revision", "0123456", "0123456"),
    (MODEL, "Qwen／Qwen2.5-7B", "Qwen/Qwen2.5-7B"),
    (MODEL, "https://huggingface.co/Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B"),
    (MODEL, "bundled", "bundled"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "typed", "value"), UNDERSTOOD, ids=[f"{n}={t}" for n, t, _ in UNDERSTOOD]
)
def test_a_value_means_what_people_mean(name: str, typed: str, value: Any, tmp_path: Path) -> None:
    assert resolve(assignments=[f"{name}={typed}"]).value_of(name) == value
    section, _, key = name.partition(".")
    file = tmp_path / "c.yaml"
    file.write_text(f"{section}:\n  {key}: {typed}\n", "utf-8")
    assert resolve(file).value_of(name) == value


REFUSED = [
    (DTYPE, "16"), (DTYPE, "int8"), (SCHEDULE, "cosine_with_restarts"),
    (TRACKERS, "none,wandb"), (TRACKERS, "wandb;comet"), ("model.attn_implementation", "flash"),
    ("training.kl_beta", "0,1"), ("training.kl_beta", "10%"), ("training.max_steps", "1,000"),
    ("training.max_steps", "1k"), ("training.max_steps", "1.5e0"), ("model.use_peft", "perhaps"),
    ("training.evaluate_at_end", "true"), ("training.reference_cache", "true"),
    ("model.lora_r", "true"), (MODEL, "https://huggingface.co/datasets/a/b"),
    ("training.kl_beta", "²"), ("training.learning_rate", "½"), ("training.reference_cache", "1"),
    ("data.anchor", "0"),
    ("data.data_dir", "[a, b]"), ("data.data_dir", "https://example.org/novel.txt"),
    ("training.output_dir", "s3://bucket/run"), ("data.general", "file:///texts"),
    (MODEL, "https://github.com/QwenLM/Qwen2.5"), (MODEL, "https://huggingface.co/Qwen"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "typed"), REFUSED, ids=[f"{n}={t}" for n, t in REFUSED])
def test_what_may_mean_two_things_is_refused(name: str, typed: str) -> None:
    with pytest.raises(ConfigError, match=name):
        resolve(assignments=[f"{name}={typed}"])


EMPTY = [
    f"{section}.{key}" for section, kind in SECTIONS.items() for key in kind.model_fields
]  # fmt: skip


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("typed", ["", "  ", "''", '"\u3000"', "['']"])
def test_an_empty_value_is_never_read_as_something(name: str, typed: str, tmp_path: Path) -> None:
    """`data.anchor=` read the texts of the current folder; an unset variable leaves this."""
    with pytest.raises(ConfigError, match=rf"{name} (has no value|is \[)"):
        resolve(assignments=[f"{name}={typed}"])
    section, _, key = name.partition(".")
    file = tmp_path / "c.yaml"
    file.write_text(f"{section}:\n  {key}: {typed}\n", "utf-8")
    default = SECTIONS[section].model_fields[key].default
    if default is None and typed != "['']":  # nothing after the colon is null
        assert resolve(file).value_of(name) is None
        return
    with pytest.raises(ConfigError, match=rf"c\.yaml:2: {name} (has no value|is \[)"):
        resolve(file)


def _choices(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [each for each in get_args(annotation) if isinstance(each, str)]
    return [each for part in get_args(annotation) for each in _choices(part)]


@pytest.mark.parametrize("spelling", [str.upper, str.title, lambda t: f" {t.replace('_', '-')} "])
def test_every_choice_in_every_spelling(spelling: Any) -> None:
    for section, kind in SECTIONS.items():
        for key, field in kind.model_fields.items():
            for choice in _choices(field.annotation):
                found = resolve(options={f"{section}.{key}": spelling(choice)})
                # Of kl_mode, `auto` becomes what it means.
                meant = "anchor" if (key, choice) == ("kl_mode", "auto") else choice
                assert found.value_of(f"{section}.{key}") in (meant, [meant]), (key, choice)


@pytest.mark.parametrize("key", ["KL_Beta", "kl-beta", "Training.kl_beta", "training.KL-BETA"])
def test_keys_in_other_spellings(key: str) -> None:
    assert resolve(assignments=[f"{key}=0.2"]).training.kl_beta == 0.2


def test_one_key_in_two_spellings_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("training:\n  kl_beta: 0.1\n  kl-beta: 0.2\n", "utf-8")
    with pytest.raises(
        ConfigError, match=r"c\.yaml:3: `training\.kl-beta` and `training\.kl_beta`"
    ):
        resolve(file)


def test_a_folder_that_is_spelled_like_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Self").mkdir()
    with pytest.raises(ConfigError, match=r"write self or \./Self"):
        resolve(assignments=["data.anchor=Self"])
    assert resolve(assignments=["data.anchor=./Self"]).data.anchor == "./Self"


@pytest.mark.parametrize(
    ("address", "model"),
    [
        ("https://huggingface.co/Qwen/Qwen2.5-7B/tree/main", "Qwen/Qwen2.5-7B"),
        ("huggingface.co/Qwen/Qwen2.5-7B/", "Qwen/Qwen2.5-7B"),
        ("https://hf-mirror.com/Qwen/Qwen2.5-7B?library=transformers#x", "Qwen/Qwen2.5-7B"),
        ("HTTPS://HuggingFace.co/Qwen/Qwen2.5-7B.git", "Qwen/Qwen2.5-7B"),
        ("https://hf.co/Qwen/Qwen2.5-7B/blob/main/config.json", "Qwen/Qwen2.5-7B"),
        ("https://huggingface.co/a/b/tree/v1.0/sub", "a/b@v1.0"),
        ("https://huggingface.co/a/b/tree/refs%2Fpr%2F1", "a/b@refs/pr/1"),
        ("https://huggingface.co/a/b/commit/0f1e", "a/b@0f1e"),
        ("https://huggingface.co/a/b/discussions/3", "a/b"),
        ("https://www.modelscope.cn/models/Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B"),
        ("modelscope.cn/models/Qwen/Qwen2.5-7B/summary", "Qwen/Qwen2.5-7B"),
        ("https://modelscope.cn/models/Qwen/Qwen2.5-7B/tree/master", "Qwen/Qwen2.5-7B"),
        ("https://www.modelscope.cn/Qwen/Qwen2.5-7B.git", "Qwen/Qwen2.5-7B"),
        ("git@hf.co:Qwen/Qwen2.5-7B.git", "Qwen/Qwen2.5-7B"),
        ("ssh://git@hf.co/Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B"),
        ("hf://Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B"),
        ("Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B"),
        ("./models/q2", "./models/q2"),
    ],
)
def test_the_page_of_a_model_is_its_name(address: str, model: str) -> None:
    assert model_in(address) == model


@pytest.mark.parametrize(
    "address",
    [
        "https://huggingface.co",
        "https://huggingface.co/spaces/a/b",
        "https://example.org/a/b",
        "git@github.com:a/b.git",
        "https://www.modelscope.cn/datasets/a/b",
        "https://huggingface.co/a/b/nowhere",
    ],
)
def test_the_page_of_something_else_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="is not the page of a model"):
        model_in(address)


def test_the_options_of_commands() -> None:
    assert chosen("BF16", ("auto", "bfloat16"), "model.dtype") == "bfloat16"
    assert chosen("fp16", ("auto", "bfloat16"), "model.dtype") == "fp16"
    assert listed("Light，0．12、strong") == ["Light", "0.12", "strong"]
    assert resolve(preset="Standard-4bit").model.load_in_4bit


@pytest.mark.parametrize(
    ("typed", "taken"),
    [
        ("['^Sponsored by', 'a, b']", ["^Sponsored by", "a, b"]),
        ("^本书由，.*赞助", ["^本书由，.*赞助"]),  # one text is a list of one, its comma its own
        ("[]", []),
    ],
)
def test_a_pattern_for_lines_is_taken_as_it_is_typed(typed, taken):
    assert resolve(None, None, {}, [f"data.drop={typed}"]).data.drop == taken
