"""4 and 8 bits: the reference is the same quantised base, exactly; the rest is refused clearly."""

import json
import subprocess
import sys

import pytest
import torch
from marks import slow_but
from rehearsal import kl, rehearse
from running import ROOT
from tiny_models import TEXT, build

from styledial.errors import ModelError
from styledial.models import quantise
from styledial.models.adapter import load_adapter, scale_adapter, scaled
from styledial.models.load import load_base
from styledial.models.policy import with_lora
from styledial.models.quantise import check_choice, is_quantised


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return str(build("meta-llama/Llama-3-8B", tmp_path_factory.mktemp("base")))


IDS = torch.arange(5, 45).reshape(2, 20)


def adapter(base, *, dora=False, rslora=False, **load):
    return with_lora(
        load_base(base, **load),
        r=4,
        lora_alpha=8,
        lora_dropout=0.0,
        target_modules="all-linear",
        use_dora=dora,
        use_rslora=rslora,
    )


needs_bitsandbytes = pytest.mark.skipif(
    quantise.importlib.util.find_spec("bitsandbytes") is None, reason=f"needs {quantise.INSTALL}"
)
# bitsandbytes remarks on the cast of its inputs, and on a CPU kernel that isn't installed.
quiet = pytest.mark.filterwarnings("ignore:MatMul8bitLt", "ignore:.*kernels")


@needs_bitsandbytes
@quiet
@pytest.mark.parametrize("bits", ["load_in_4bit", "load_in_8bit"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_fresh_adapter_is_exactly_its_quantised_base(base, bits, dtype):
    policy = adapter(base, dtype=dtype, **{bits: True}).train()
    assert is_quantised(policy.causal_lm)
    assert not is_quantised(load_base(base))
    head = policy.causal_lm.get_output_embeddings()
    assert type(head) is torch.nn.Linear
    # With gradients on one side and without on the other, as in training.
    hidden = policy(IDS)
    assert torch.equal(hidden.detach(), policy.reference(IDS))
    assert kl(policy, IDS) == 0.0
    hidden.float().pow(2).sum().backward()
    trained = [p for p in policy.parameters() if p.requires_grad]
    assert all(p.dtype == torch.float32 for p in trained)
    assert sum(p.grad.abs().sum() > 0 for p in trained) == len(trained) // 2  # B; A waits for B


@needs_bitsandbytes
@quiet
@pytest.mark.parametrize(("bits", "within"), [("load_in_4bit", 0.12), ("load_in_8bit", 0.02)])
def test_a_quantised_layer_is_near_the_original(base, bits, within):
    x = torch.randn(64, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact = load_base(base, dtype="float32").model.layers[0].self_attn.q_proj(x)
        rough = load_base(base, dtype="float32", **{bits: True}).model.layers[0].self_attn.q_proj(x)
    error = ((rough - exact).pow(2).mean() / exact.pow(2).mean()).sqrt()
    assert 0 < error < within


@needs_bitsandbytes
@quiet
def test_steps_on_a_4_bit_base_learn_and_leave_it_alone(base):
    policy = adapter(base, dtype="float32", load_in_4bit=True).train()
    before = policy.reference(IDS)
    optimizer = torch.optim.AdamW([p for p in policy.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(5):
        loss = policy.causal_lm.loss_function(
            torch.nn.functional.linear(policy(IDS), policy.head.weight),
            IDS,
            policy.head.weight.shape[0],
        )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1
    assert torch.equal(policy.reference(IDS), before)


@pytest.mark.slow  # a process of its own for what is said
@needs_bitsandbytes
@pytest.mark.parametrize("bits", ["load_in_4bit", "load_in_8bit"])
def test_nothing_is_said_while_loading(base, bits):
    """In a process of its own: bitsandbytes says it once, when it is imported.

    Only a CPU with AVX512-BF16 makes it speak of a missing kernel; elsewhere its logger is asked.
    """
    program = (
        "from styledial.models.load import load_base, quiet_libraries\n"
        "import torch\n"
        "quiet_libraries()\n"
        f"base = load_base({base!r}, dtype='float32', {bits}=True)\n"
        "base(torch.arange(5, 45).reshape(2, 20))\n"
        "import logging\n"
        "logging.getLogger('bitsandbytes.backends.cpu.ops').warning('a kernel is missing')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("dora", "rslora"), [(True, False), (False, True)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dora_and_rslora_start_at_the_base(base, dora, rslora, dtype):
    policy = adapter(base, dtype=dtype, dora=dora, rslora=rslora).train()
    assert kl(policy, IDS) == 0.0
    layer = policy.causal_lm.model.layers[0].mlp.up_proj
    assert layer.scaling["default"] == (8 / 4**0.5 if rslora else 2.0)


@torch.no_grad()
def test_dora_fades_to_its_base(base):
    policy = adapter(base, dtype="float32", dora=True)
    dice = torch.Generator().manual_seed(2)
    for name, weight in policy.named_parameters():
        if weight.requires_grad and "lora_A" not in name:
            weight += 0.02 * torch.randn(weight.shape, generator=dice)
    full = policy(IDS)
    distances = []
    for scale in (0.0, 0.25, 0.5, 1.0):
        with scaled(policy, scale):
            distances.append(kl(policy, IDS))
    assert distances[0] < 1e-9
    assert distances == sorted(distances)
    assert distances[-1] > 0.01
    assert torch.equal(policy(IDS), full)
    with scaled(policy, 0.5):
        half = policy(IDS)
    scale_adapter(policy, 0.5)
    assert torch.allclose(policy(IDS), half, atol=1e-5)


@needs_bitsandbytes
@quiet
@pytest.mark.parametrize("bits", slow_but(["load_in_4bit", "load_in_8bit"], "load_in_4bit"))
def test_a_whole_run_on_a_quantised_base(base, bits, tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "book.txt").write_text(TEXT * 3, encoding="utf-8")
    figures = rehearse("quantised", base, tmp_path, tmp_path / "books", more=[f"model.{bits}=true"])
    assert figures.nll_after < figures.nll_before
    assert figures.merge_gap < 1e-4
    # generate, dial --export and the rest read what was trained: KL was 0.0501 and became 0.0511.
    policy, _ = load_adapter(tmp_path / "run")
    assert is_quantised(policy.causal_lm)
    assert getattr(policy.causal_lm, f"is_{bits.replace('load', 'loaded')}")


@pytest.mark.slow  # in 4 bits: test_a_whole_run_on_a_quantised_base
def test_a_whole_run_with_dora(base, tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "book.txt").write_text(TEXT * 3, encoding="utf-8")
    more = ["training.kl_mode=budget", "training.kl_beta=0.05"]
    figures = rehearse("dora", base, tmp_path, tmp_path / "books", dora=True, more=more)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    # The two halves of so short a text differ too much to hold kl_final to the budget.
    assert summary["kl_before_landing"] > 0.05
    assert 0 < summary["adapter_scale"] < 1
    assert figures.merge_gap < 1e-4


@needs_bitsandbytes
@quiet
def test_dora_on_4_bits(base):
    assert kl(adapter(base, dtype="float32", dora=True, load_in_4bit=True).train(), IDS) == 0.0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"load_in_4bit": True, "load_in_8bit": True}, "both true; choose one"),
        ({"load_in_4bit": True, "use_peft": False}, "model.load_in_4bit: quantised weights can't"),
        ({"load_in_8bit": True, "use_dora": True}, "use_dora doesn't work on 8-bit"),
    ],
)
def test_what_cannot_go_together(settings, says):
    chosen = {"load_in_4bit": False, "load_in_8bit": False, **settings}
    with pytest.raises(ModelError, match=says):
        check_choice(**chosen)


def test_without_bitsandbytes_the_remedy_is_named(base, monkeypatch):
    monkeypatch.setattr(quantise.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install 'styledial\[quantise\]'") as caught:
        load_base(base, load_in_4bit=True)
    assert "load_in_4bit: false" in caught.value.zh


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_precisions(base, dtype):
    policy = adapter(base, dtype=dtype).train()
    assert policy.head.weight.dtype == getattr(torch, dtype)
    assert kl(policy, IDS) == 0.0
