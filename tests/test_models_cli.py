"""The commands as a user types them, and names that turn into downloads."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import FakeHub
from running import invoke
from test_hub_download import no_settings_of_this_machine  # noqa: F401
from tiny_models import build, chatglm3

from styledial.errors import ModelError
from styledial.models.load import load_base, load_tokenizer
from styledial.models.locate import ready_folder

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub that has a tiny Qwen2, a tiny ChatGLM3 and a Llama-3 behind a licence."""
    folder = tmp_path_factory.mktemp("hub")
    qwen = files(build("Qwen/Qwen2.5-7B", folder / "qwen"))
    llama = files(build("meta-llama/Llama-3-8B", folder / "llama"))
    repositories = {
        "Qwen/Qwen2.5-7B": qwen,
        "meta-llama/Meta-Llama-3-8B": llama,
        "someone/quantised": {
            **qwen,
            "config.json": b'{"model_type": "gemma2","quantization_config": {"quant_method": "gptq"}}',
        },
    }
    if pytest.importorskip("sentencepiece", reason="makes the tiny tokenizer.model"):
        repositories["THUDM/chatglm3-6b"] = files(chatglm3(folder / "chatglm3"))
    with FakeHub(repositories) as hub:
        hub.gated["meta-llama/Meta-Llama-3-8B"] = "hf_good"
        yield hub


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def at_home(hub, tmp_path, monkeypatch):
    """An own StyleDial and Hugging Face home, and the hub on loopback."""
    monkeypatch.setenv("STYLEDIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    return tmp_path


def run_script(*words):
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "download_model.py"), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
    )


def test_the_guides_script_downloads_what_the_model_name_then_finds(at_home):
    done = run_script("--model", "Qwen/Qwen2.5-7B")
    assert done.returncode == 0, done.stderr
    assert "download Qwen/Qwen2.5-7B" in done.stderr
    assert 'model_name_or_path: "Qwen/Qwen2.5-7B"' in done.stdout
    assert str(at_home / "home" / "models" / "Qwen" / "Qwen2.5-7B") == str(
        ready_folder("Qwen/Qwen2.5-7B")
    )
    again = invoke("download", "--model", "qwen/qwen2.5-7b")
    assert "0 B downloaded now" in again.stderr


def test_a_folder_of_the_users_choice(at_home):
    done = invoke("download", "--model", "Qwen/Qwen2.5-7B", "--to", at_home / "mine")
    assert done.returncode == 0
    assert load_base(str(at_home / "mine")).config.model_type == "qwen2"
    assert f'model_name_or_path: "{at_home / "mine"}"' in done.stderr


def test_a_gated_model_ends_with_the_licence_page_and_code_2(at_home, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("STYLEDIAL_LANG", "zh")
        patch.setenv("HF_TOKEN", "")
        done = invoke("download", "--model", "meta-llama/Llama-3-8B")
    assert done.returncode == 2
    assert "https://huggingface.co/meta-llama/Meta-Llama-3-8B" in done.stderr
    assert "需要授权" in done.stderr
    done = invoke("download", "--model", "meta-llama/Llama-3-8B", "--token", "hf_good")
    assert done.returncode == 0
    assert load_tokenizer("meta-llama/Llama-3-8B").bos_token == "<|begin_of_text|>"


def test_a_name_is_downloaded_and_converted_without_remote_code(at_home, hub):
    model = load_base("THUDM/chatglm3-6b", dtype="float32")
    assert type(model).__name__ == "GlmForCausalLM"
    assert model.name_or_path == "THUDM/chatglm3-6b"
    assert load_tokenizer("THUDM/chatglm3-6b")("")["input_ids"]
    asked = len(hub.requests)
    load_base("THUDM/chatglm3-6b")
    assert len(hub.requests) == asked  # all of it is here


def test_what_cannot_be_trained_is_refused_before_its_weights_are_loaded(at_home):
    with pytest.raises(ModelError, match="gptq"):
        load_base("someone/quantised")


def test_names_that_cannot_be_had_say_what_to_do(at_home, monkeypatch):
    with pytest.raises(ModelError, match=r"styledial download --model someone/unknown"):
        load_base("someone/unknown")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        load_base("Qwen/Qwen2.5-7B")
    with pytest.raises(ModelError, match="no such folder"):
        load_base("./nowhere")


def test_a_name_may_say_which_revision(at_home, hub):
    """owner/name@main ended in a traceback."""
    folder = ready_folder("Qwen/Qwen2.5-7B@main")
    assert folder == at_home / "home" / "models" / "Qwen" / "Qwen2.5-7B@main"
    assert hub.asked("/revision/main") or hub.asked("revision=main")
    assert load_base("Qwen/Qwen2.5-7B@main").name_or_path == "Qwen/Qwen2.5-7B"
    done = invoke("download", "--model", "Qwen/Qwen2.5-7B@main")
    assert done.returncode == 0, done.stderr
    assert "Qwen2.5-7B@main" in done.stderr
    with pytest.raises(ModelError, match="no-such-branch"):
        load_base("Qwen/Qwen2.5-7B@no-such-branch")


def test_a_model_in_hugging_faces_cache_is_used_as_it_is(at_home, hub, monkeypatch):
    from huggingface_hub import snapshot_download

    folder = snapshot_download(
        "Qwen/Qwen2.5-7B", endpoint=hub.url, token=False, cache_dir=at_home / "hf" / "hub"
    )
    monkeypatch.setattr("styledial.hub.download.place", lambda: pytest.fail("asked the hub"))
    assert str(ready_folder("Qwen/Qwen2.5-7B")) == folder


def test_the_models_command(at_home, monkeypatch):
    listed = invoke("models").stderr
    assert max(map(len, listed.splitlines())) <= 80
    assert "15.4 GiB" in listed
    assert "it can be trained (model type qwen2)" in invoke("models", "bundled").stderr
    assert "it can be trained (model type qwen2)" in invoke("models", at_home_model(at_home)).stderr
    no = invoke("models", "someone/quantised")
    assert (no.returncode, "gptq" in no.stderr) == (2, True)
    monkeypatch.setenv("STYLEDIAL_LANG", "zh")
    card = invoke("models", "meta-llama/Llama-3-8B").stderr
    assert "8,030,261,248" in card
    assert "需先在页面上同意" in card


def at_home_model(folder):
    return build("Qwen/Qwen2.5-1.5B", folder / "local")


def test_the_convert_command(at_home):
    source = chatglm3(at_home / "chatglm3")
    done = invoke("convert", source, "-o", at_home / "out")
    assert done.returncode == 0, done.stderr
    assert f"Converted: {at_home / 'out'}" in done.stderr
    assert json.loads((at_home / "out" / "config.json").read_text())["model_type"] == "glm"
    other = invoke("convert", at_home_model(at_home), "-o", at_home / "x")
    assert (other.returncode, "need no conversion" in other.stderr) == (2, True)


def test_the_merge_command_refuses_what_is_no_adapter(at_home):
    done = invoke("merge", at_home, "-o", at_home / "x")
    assert (done.returncode, "no adapter here" in done.stderr) == (2, True)
    done = invoke("merge", at_home, "-o", at_home / "x", "--dtype", "int8")
    assert (done.returncode, "--dtype int8" in done.stderr) == (2, True)
