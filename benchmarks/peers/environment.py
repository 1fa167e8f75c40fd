"""A virtual environment for the peers, so that the project's own stays as it is.

Every way is run by the same interpreter with the same torch and transformers: StyleDial from this
checkout, TRL, and Liger's losses, which need no GPU where they are written in PyTorch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "peers"
TORCH, TRL, LIGER = "torch==2.13.0", "trl==1.16.0", "liger-kernel==0.8.5"
_SHOWN = ("torch", "transformers", "peft", "accelerate", "trl", "liger-kernel", "triton")


def interpreter() -> Path:
    """Python of the environment, made if it isn't there."""
    folder = FOLDER / "venv"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    done = folder / "complete"
    if not done.is_file():
        print(f"making {folder} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
        # torch first and by version: TRL alone would take another one.
        subprocess.run([*pip, TORCH], check=True)
        subprocess.run([*pip, "-e", str(ROOT), TRL], check=True)
        subprocess.run([*pip, "--no-deps", LIGER], check=True)  # its triton comes with torch
        done.touch()
    return python


def described(python: Path) -> dict[str, str]:
    """Versions, processor and GPU, for the results."""
    code = f"""
import json, os, platform, torch
from importlib.metadata import PackageNotFoundError, version
found = {{"python": platform.python_version(), "threads": str(torch.get_num_threads())}}
for name in {_SHOWN!r}:
    try: found[name] = version(name)
    except PackageNotFoundError: pass
if torch.cuda.is_available():
    found["device"] = torch.cuda.get_device_name(0)
    found["cuda"] = torch.version.cuda
else:
    names = [l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")]
    found["device"] = f"{{os.cpu_count()}} x {{names[0] if names else platform.processor()}}"
print(json.dumps(found))
"""
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found | {"driver": _driver()} if "cuda" in found else found


def _driver() -> str:
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip().split("\n")[0]
