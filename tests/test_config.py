"""One definition per setting: what is derived from it, precedence, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config_loader import load_config, print_config
from styledial.config import PRESETS, resolve
from styledial.config.resolve import preset_path
from styledial.config.show import as_file, config_lines, schema_json, settings_table, template
from styledial.config.whole import SECTIONS, Config
from styledial.errors import ConfigError, UserError


def write(folder: Path, text: str) -> Path:
    path = folder / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_template_and_schema_are_up_to_date(root: Path) -> None:
    assert (root / "train_config.yaml").read_text(encoding="utf-8") == template()
    assert (root / "configs/schema.json").read_text(encoding="utf-8") == schema_json()


def test_template_has_every_key_at_its_default(root: Path) -> None:
    from_file, bare = resolve(root / "train_config.yaml"), Config()
    assert from_file.model.alpha == bare.model.alpha == 16
    from_file.model.lora_alpha = None
    assert from_file.model_dump() == bare.model_dump()
    assert set(from_file.sources.values()) != {"default"}
    assert not [k for k, where in from_file.sources.items() if where == "default"]


def test_every_setting_is_described_in_both_languages() -> None:
    for section in SECTIONS.values():
        for key, field in section.model_fields.items():
            assert field.description, key
            assert any("\u4e00" <= c <= "\u9fff" for c in field.json_schema_extra["zh"]), key
    assert len(settings_table()) == sum(len(s.model_fields) for s in SECTIONS.values())


def test_every_shipped_yaml_resolves(root: Path) -> None:
    found = sorted(root.glob("configs/*.yaml"))
    assert {path.name for path in found} >= {*PRESETS.values(), "demo.yaml"}
    for path in found:
        resolve(path)


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("quick", ("Qwen/Qwen2.5-1.5B", 4, 1, 8, 1, 0.1)),
        ("standard", ("Qwen/Qwen2.5-7B", 8, 4, 4, 3, 0.1)),
        ("large", ("Qwen/Qwen2.5-14B", 16, 4, 8, 5, 0.12)),
    ],
)
def test_presets_are_the_guides(preset: str, expected: tuple) -> None:
    c = resolve(preset=preset)
    assert expected == (
        c.model.model_name_or_path,
        c.model.lora_r,
        c.training.per_device_train_batch_size,
        c.training.gradient_accumulation_steps,
        c.training.num_train_epochs,
        c.training.kl_beta,
    )
    assert c.model.alpha == 2 * c.model.lora_r
    assert preset_path(preset).is_file()


def test_precedence_and_sources(tmp_path: Path) -> None:
    path = write(tmp_path, "model:\n  lora_r: 32\ntraining:\n  kl_beta: 0.05\n")
    c = resolve(path, "large", {"training.kl_beta": "0.2"}, ["seed=0", "data.max_length=64"])
    assert (c.model.lora_r, c.training.kl_beta, c.training.seed, c.data.max_length) == (
        32,
        0.2,
        0,
        64,
    )
    assert c.training.num_train_epochs == 5
    assert c.sources["model.lora_r"] == f"{path}:2"
    assert c.sources["training.kl_beta"] == "command line"
    assert c.sources["training.num_train_epochs"] == "preset large"
    assert c.sources["training.save_steps"] == "default"
    assert any("preset large sets model.lora_r to 16" in note for note in c.notes)


def test_the_resolved_file_reads_back_the_same(tmp_path: Path) -> None:
    c = resolve(
        None,
        "quick",
        {},
        [
            "learning_rate=3e-7",
            "model.lora_target_modules=["
            + ", ".join(f"model.layers.{i}.self_attn.q_proj" for i in range(9))
            + "]",
        ],
    )
    assert resolve(write(tmp_path, as_file(c))).model_dump() == c.model_dump()


@pytest.mark.parametrize("text", ["5e-5", "0.00005", "５e-5", '"5e-5"', "5E-5"])
def test_numbers_as_people_type_them(tmp_path: Path, text: str) -> None:
    assert (
        resolve(write(tmp_path, f"training:\n  learning_rate: {text}\n")).training.learning_rate
        == 5e-5
    )


@pytest.mark.parametrize(
    "text",
    [
        "training：\n  kl_beta： 0.2\n",
        "training:\n\tkl_beta: ０．２\n",
        "training:\n  kl_beta:0.2\n",
        "training:\r\n  kl_beta: 0.2\r\n",
        "\ufefftraining:\n  kl_beta: 0.2\n",
    ],
)
def test_slips_of_the_keyboard_are_mended(tmp_path: Path, text: str) -> None:
    assert resolve(write(tmp_path, text)).training.kl_beta == 0.2


def test_off_without_quotes_is_off(tmp_path: Path) -> None:
    assert resolve(write(tmp_path, "training:\n  kl_mode: off\n")).training.kl_mode == "off"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "model:\n  lora_rank: 8\n",
            "c.yaml:2: `model.lora_rank` is not a setting. Did you mean `model.lora_r`?",
        ),
        ("training:\n  epochs: 3\n", "Did you mean `training.num_train_epochs`?"),
        ("trainning:\n  kl_beta: 0.1\n", "`kl_beta` belongs under `training:`"),
        (
            "kl_beta: 0.1\n",
            "c.yaml:1: `kl_beta` is not a setting here; `kl_beta` belongs under `training:`",
        ),
        ("training:\n  kl_beta: -0.1\n", "training.kl_beta is -0.1; allowed: a number, > 0, <= 10"),
        ("training:\n  kl_beta: strong\n", "(default 0.1); strong = 0.175"),
        ("model:\n  lora_r: 0\n", "model.lora_r is 0; allowed: a whole number, >= 1, <= 1024"),
        ("model:\n  lora_r: true\n", "model.lora_r is true; allowed: a whole number"),
        ("model:\n  lora_r: 8.5\n", "model.lora_r is 8.5; allowed: a whole number"),
        ("model:\n  use_peft: maybe\n", "allowed: true or false"),
        ("training:\n  kl_mode: hard\n", "allowed: one of auto, anchor, budget, penalty, off"),
        ("training:\n  max_steps: 0\n", "max_steps is 0; allowed: -1, or a whole number above 0"),
        ("training:\n  warmup_steps: x\n", "or null, >= 0 (default null)"),
        ("data:\n  data_dir: no\n", "data.data_dir is no; allowed: text"),
        ("training:\n  kl_beta = 0.2\n", "c.yaml:1: write `kl_beta: 0.2` below `training:`"),
        ("data:\n  keep: *第\n", "c.yaml:2: * begins something else in YAML; write the value in"),
        ("model:\n  model_name_or_path: @me\n", "quotes: model_name_or_path: '@me'"),
        ("training:\n  seed: 1\n  seed: 2\n", "c.yaml:3: `seed` is already set at line 2"),
        ("model: Qwen/Qwen2.5-7B\n", "`model:` is a section"),
        ("- a\n- b\n", "the file should have sections"),
        ("model:\n  lora_r: [8\n", "cannot be read as YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(write(tmp_path, text))
    assert expected in caught.value.en


def test_every_problem_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "model:\n  lora_r: 0\n  lora_rank: 3\ntraining:\n  kl_beta: x\n")
    with pytest.raises(ConfigError) as caught:
        resolve(path, assignments=["seed=-1"])
    assert [p.where.rpartition("/")[2] for p in caught.value.problems] == [
        "c.yaml:2",
        "c.yaml:3",
        "c.yaml:5",
        "command line",
    ]
    assert "配置有 4 处问题" in caught.value.zh


def test_an_unknown_preset_names_the_known() -> None:
    with pytest.raises(UserError, match="Did you mean quick"):
        resolve(preset="quik")


def test_the_guides_one_liner(root: Path) -> None:
    code = (
        "from config_loader import load_config, print_config; "
        "config = load_config('train_config.yaml'); print_config(config)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert "effective batch = 4 x 4 x 1 = 16" in done.stdout
    assert "train_config.yaml:7" in done.stdout


def test_the_door_refuses_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as caught:
        load_config(write(tmp_path, "model:\n  lora_r: 0\n"))
    assert caught.value.code == 2
    assert "model.lora_r is 0" in capsys.readouterr().err


def test_print_config_counts_processes(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    torchrun = {"WORLD_SIZE": 4, "RANK": 0, "MASTER_ADDR": "localhost", "MASTER_PORT": 29500}
    for name, value in torchrun.items():
        monkeypatch.setenv(name, str(value))
    print_config(resolve())
    assert "4 x 4 x 4 = 64" in capsys.readouterr().out


def test_schema_describes_every_key() -> None:
    schema = json.loads(schema_json())
    assert set(schema["$defs"]) == {"ModelSettings", "DataSettings", "TrainingSettings"}
    assert yaml.safe_load(template()).keys() == schema["properties"].keys()
    assert len(config_lines(resolve())) > 20


def test_every_setting_says_what_resume_does_with_a_change() -> None:
    """Eleven were in neither of two lists elsewhere, and changed without a word."""
    kinds = {
        key: field.json_schema_extra["resume"]
        for section in SECTIONS.values()
        for key, field in section.model_fields.items()
    }
    free = {key for key, kind in kinds.items() if kind == "free"}
    assert free == {
        "trust_remote_code",
        "output_dir",
        "max_skipped_updates",
        "reference_cache",
        "gradient_checkpointing",
        "report_to",
        "logging_steps",
        "save_steps",
        "save_total_limit",
        "evaluate_at_end",
    }
    said = {key for key, kind in kinds.items() if kind == "said"}
    assert said >= {"general", "fsdp", "learning_rate", "max_steps", "lora_dropout"}
    assert set(kinds.values()) == {"same", "said", "free"}
