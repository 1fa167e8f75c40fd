"""`styledial export`: what is written for each program, and that nothing else is touched."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from pathlib import Path

import pytest
import torch
import yaml
from running import Done, invoke
from safetensors.torch import load_file

from styledial.dial import load_dial, scale_for
from styledial.export.ollama import find_template
from styledial.export.vllm import check
from styledial.files import write_json

PROMPT = "话说"


@pytest.fixture(scope="module")
def run(dialled_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its dial measured; beyond light at full strength."""
    return Path(shutil.copytree(dialled_run, tmp_path_factory.mktemp("runs") / "样 式"))


def export(run: Path, kind: str, target: Path, *more: object) -> Done:
    return invoke("export", run, "--to", kind, "-o", target, *more)


def front_matter(card: Path) -> dict:
    return yaml.safe_load(card.read_text(encoding="utf-8").split("---\n")[1])


def test_peft_adapters_have_the_strengths_scale_in_them(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = export(run, "peft", tmp_path / "out", "--strength", "0.03,0.05")
    assert done.returncode == 0, done.stderr
    before = load_file(run / "adapter_model.safetensors")
    for name, kl in (("kl-0.03", 0.03), ("kl-0.05", 0.05)):
        after = load_file(tmp_path / "out" / name / "adapter_model.safetensors")
        scale = scale_for(load_dial(run), kl)
        for key, weight in before.items():
            factor = scale if "lora_B" in key else 1.0
            assert torch.allclose(after[key], factor * weight, rtol=1e-5), key
        assert f"{name}  KL {kl:g}  scale {scale:.4f}" in done.stderr
    card = tmp_path / "out" / "README.md"
    assert front_matter(card)["library_name"] == "peft"
    assert "one.txt" in card.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path / "out")
    assert_python_works(card)


def assert_python_works(card: Path) -> None:
    """What the card says to type in Python loads the first adapter, run in the export's folder."""
    code = re.search(r"```\n(from transformers.*?)```", card.read_text(encoding="utf-8"), re.DOTALL)
    assert code
    loaded: dict = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT uses a name that transformers will drop
        base = json.loads(Path("kl-0.03/adapter_config.json").read_text(encoding="utf-8"))
        exec(code[1].replace("BASE", base["base_model_name_or_path"]), loaded)
    assert loaded["model"].peft_config["default"].r == 8
    assert loaded["tokenizer"].decode(loaded["tokenizer"]("话说").input_ids).endswith("话说")


def test_a_merge_is_measured_in_its_own_precision(run: Path, tmp_path: Path) -> None:
    done = export(run, "merged", tmp_path / "out", "--strength", "0.05", "--dtype", "bfloat16")
    found = re.search(r"KL (0\.\d+) as exported, (0\.\d+) as an adapter", done.stderr)
    assert found, done.stderr
    assert float(found[2]) == pytest.approx(0.05, rel=0.02)
    assert float(found[1]) == pytest.approx(float(found[2]), rel=0.1)
    weights = load_file(tmp_path / "out" / "model" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}
    assert f"| {found[1]} |" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_an_export_far_from_its_strength_is_said(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The merge is made of another strength than asked, as a coarse rounding would."""
    from styledial.export import write
    from styledial.models.merge import merge_adapter

    def weaker(*args: object, scale: float, **how: object) -> Path:
        return merge_adapter(*args, scale=0.5 * scale, **how)

    monkeypatch.setattr(write, "merge_adapter", weaker)
    done = export(run, "merged", tmp_path / "out")
    assert "more than 10% away" in done.stderr
    assert "--dtype float32" in done.stderr
    assert f"generate {tmp_path}/out/model --prompt" in done.stderr


def test_vllm_gets_a_name_for_each_strength(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "with space"
    assert export(run, "vllm", target, "--strength", "0.03,light").returncode == 0
    line = (target / "serve.sh").read_text(encoding="utf-8")
    assert f"--lora-modules kl-0.03='{target}/kl-0.03' light='{target}/light'" in line
    assert "--max-lora-rank 8" in line
    assert "--host 127.0.0.1" in line
    assert (target / "light" / "adapter_config.json").is_file()


@pytest.mark.parametrize(
    ("settings", "outcome"),
    [
        ({"r": 8}, 8),
        ({"r": 9}, 16),
        ({"r": 300}, 320),
        ({"r": 600}, "r 600"),
        ({"use_dora": True}, "use_dora"),
        ({"alpha_pattern": {"q": 1}}, "alpha_pattern"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "bias"),
    ],
)
def test_what_vllm_takes(settings: dict, outcome: object, tmp_path: Path) -> None:
    from styledial.errors import AdapterError

    write_json(tmp_path / "adapter_config.json", {"r": 4, "bias": "none", **settings})
    if isinstance(outcome, int):
        assert check(tmp_path) == outcome
    else:
        with pytest.raises(AdapterError, match=outcome):
            check(tmp_path)


@pytest.mark.parametrize(
    ("name", "refused"), [("zai-org/GLM-4-9B-0414", True), ("Qwen/Qwen3-8B", False)]
)
def test_vllm_refuses_layers_that_it_has_as_two(name: str, refused: bool, tmp_path: Path) -> None:
    """It was exported, and vLLM's loader refused it (docs/export.md)."""
    from exports import exported, published_base

    adapter, *_ = exported(published_base(name, tmp_path / "base"), tmp_path / "made")
    done = export(adapter, "vllm", tmp_path / "out")
    assert done.returncode == (2 if refused else 0), done.stderr
    assert ("takes gate_up_proj as two layers" in done.stderr) == refused
    assert (tmp_path / "out").exists() != refused


def test_ollama_and_gguf_lora(run: Path, tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf", reason="the extra gguf is not installed")
    done = export(run, "gguf-lora", tmp_path / "lora", "--strength", "0.03,0.05")
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "lora" / "strengths.json").read_text(encoding="utf-8"))
    assert [each["kl_beta"] for each in table["strengths"]] == [0.03, 0.05]
    full = gguf.GGUFReader(tmp_path / "lora" / table["file"])
    done = export(run, "ollama", tmp_path / "ollama", "--strength", "0.03")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "ollama" / "Modelfile.kl-0.03").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "ADAPTER ./样-式-kl-0.03.gguf"
    assert 'PARAMETER stop "<|endoftext|>"' in lines
    assert not any(line.startswith("TEMPLATE") for line in lines)  # a base continues the text
    scaled = gguf.GGUFReader(tmp_path / "ollama" / lines[1].removeprefix("ADAPTER ./"))
    for one, two in zip(full.tensors, scaled.tensors, strict=True):
        factor = table["strengths"][0]["scale"] if one.name.endswith("lora_b") else 1.0
        assert torch.allclose(torch.tensor(two.data), factor * torch.tensor(one.data), rtol=1e-5)


@pytest.mark.slow  # as transformers has it: test_gguf_lora.py
def test_a_gguf_lora_is_measured_on_its_base_in_llama_cpp(
    run: Path, tiny_base: Path, tmp_path: Path
) -> None:
    pytest.importorskip("gguf", reason="the extra gguf is not installed")
    pytest.importorskip("xllamacpp", reason="llama.cpp (the extra llamacpp) is not installed")
    from gguf_bases import write_base

    base = write_base(tiny_base, tmp_path / "base.gguf", "qwen2")
    named = ("--strength", "0.03,0.05", "--base-gguf", base)
    done = export(run, "gguf-lora", tmp_path / "out", *named)
    found = re.findall(r"KL (0\.\d+) as exported, (0\.\d+) as an adapter", done.stderr)
    assert len(found) == 2, done.stderr
    for exported, adapter in found:
        assert float(exported) == pytest.approx(float(adapter), abs=2e-4)
    assert float(found[0][0]) < float(found[1][0])
    assert "the GGUF base itself is 0.0000 from the run's base" in done.stderr


CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nDefault.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.mark.parametrize(
    ("chat_template", "text", "system"),
    [
        (
            CHATML,
            "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}"
            "{{ if .Prompt }}<|im_start|>user\n{{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n"
            "{{ end }}{{ .Response }}<|im_end|>\n",
            "Default.",
        ),
        # It numbers the turns, which no Ollama template can.
        ("{% for m in messages %}[{{ loop.index }}]{{ m['content'] }}\n{% endfor %}", None, None),
        ("{{ raise_exception('no system role') }}", None, None),
    ],
)
def test_a_chat_template_becomes_ollamas_or_is_left_out(
    chat_template: str, text: str | None, system: str | None
) -> None:
    from tiny_models import tokenizer_for

    tokenizer = tokenizer_for("qwen2")
    tokenizer.chat_template = chat_template
    found = find_template(tokenizer)
    assert (found.text, found.system) == (text, system) if text else found is None


def test_gguf_without_a_converter_gives_the_commands(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    done = export(run, "gguf", tmp_path / "out", "--no-measure")
    assert f"convert_hf_to_gguf.py {tmp_path}/out/model --outfile" in done.stderr
    assert (tmp_path / "out" / "model" / "config.json").is_file()


CONVERTER = """
import argparse, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("--outfile", type=pathlib.Path)
parser.add_argument("--outtype")
args = parser.parse_args()
if args.outtype == "q8_0":
    raise SystemExit("NotImplementedError: no such family")
assert (args.model / "config.json").is_file()
args.outfile.write_bytes(b"GGUF" + args.outtype.encode())
"""


def test_gguf_runs_the_users_converter(run: Path, tmp_path: Path) -> None:
    """A stand-in with the converter's arguments: the real one is in no package."""
    (tmp_path / "convert_hf_to_gguf.py").write_text(CONVERTER, encoding="utf-8")
    named = ("--no-measure", "--llama-cpp", tmp_path)
    assert export(run, "gguf", tmp_path / "out", *named).returncode == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"样-式-f16.gguf", "README.md"}
    done = export(run, "gguf", tmp_path / "other", *named, "--quant", "q8_0")
    assert "no such family" in done.stderr
    assert not (tmp_path / "other").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--to", "pefd"), "Did you mean peft?"),
        (("--to", "peft", "--strength", "huge"), "--strength huge: allowed are"),
        (("--to", "peft", "--strength", "0"), "--strength 0: allowed are"),
        (("--to", "peft", "--strength", " , "), "names no strength"),
        (("--to", "peft", "--strength", "nan"), "--strength nan"),
        (("--to", "peft", "--strength", "9"), "reaches strengths above 0 and up to"),
        (("--to", "merged", "--strength", "0.03,0.05"), "name one strength"),
        (("--to", "merged", "--dtype", "int3"), "--dtype int3: there are"),
        (("--to", "gguf", "--llama-cpp", "nowhere"), "name the folder of llama.cpp"),
        (("--to", "gguf-lora", "--base-gguf", __file__), "is not a GGUF file"),
    ],
)
def test_what_is_not_understood_is_refused(
    args: tuple[str, ...], says: str, run: Path, tmp_path: Path
) -> None:
    done = invoke("export", run, "-o", tmp_path / "out", *args)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("to", ["llama.cpp", "GGUF-LoRA", "LM Studio", "gguf_lora"])
def test_a_kind_by_the_program_that_reads_it(to: str, run: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="the extra gguf is not installed")
    done = invoke("export", run, "--to", to, "-o", tmp_path / "out", "--dtype", "bf16")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "strengths.json").is_file()


def test_nothing_of_the_users_is_touched(run: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine", encoding="utf-8")
    done = export(run, "peft", tmp_path / "out")
    assert done.returncode == 2
    assert "exists already" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_adapter_without_a_dial_is_exported_as_it_is(run: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors", "base.json"):
        shutil.copy(run / name, adapter / name)
    done = export(adapter, "peft", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "full    not measured  scale 1.0000" in done.stderr
    done = export(adapter, "peft", tmp_path / "other", "--strength", "light")
    assert "has not been measured yet" in done.stderr
