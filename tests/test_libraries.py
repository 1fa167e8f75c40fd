"""What isn't needed isn't imported, and is there for who needs it afterwards."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from running import ENV
from tiny_models import build

# A LoRA run and its plan on a base in full precision, then a base in 4 bits, in one process.
_SCRIPT = """
import sys
from styledial.config import resolve
from styledial.memory.plan import plan
from styledial.models.load import load_base, quiet_libraries
from styledial.models.policy import with_lora

def config(*more):
    name = "model.model_name_or_path=" + sys.argv[1]
    return resolve(assignments=[name, "data.anchor=off", "data.max_length=32", *more])

def adapted(**how):
    base = load_base(sys.argv[1], **how)
    policy = with_lora(base, r=2, lora_alpha=4, lora_dropout=0.0, target_modules=["q_proj"])
    return {type(m).__module__ for n, m in policy.named_modules() if n.endswith("q_proj")}

quiet_libraries()
plan(config("model.dtype=float32"))
assert adapted() == {"peft.tuners.lora.layer"}
assert "bitsandbytes" not in sys.modules and "torch._inductor.compile_fx" not in sys.modules
plan(config("model.load_in_4bit=true"))
assert adapted(load_in_4bit=True) == {"peft.tuners.lora.bnb"}
assert adapted() == {"peft.tuners.lora.layer"}
"""


@pytest.mark.slow  # a process of its own: a second of start-up, no result
def test_bitsandbytes_is_imported_for_a_quantised_base_alone(tmp_path: Path) -> None:
    """It brings torch's compiler with it: a second before a run of any other base begins."""
    if importlib.util.find_spec("bitsandbytes") is None:
        pytest.skip("bitsandbytes is not installed")
    base = build("Qwen/Qwen2.5-7B", tmp_path / "base")
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(base)],
        env=ENV,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
