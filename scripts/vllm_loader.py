"""What vLLM's own loader makes of our adapters, on a machine without a GPU: the docs' table.

    python scripts/vllm_loader.py FOLDER        nine tiny models; vLLM's Python files go into FOLDER
    python scripts/vllm_loader.py FOLDER RUN    also what `styledial export RUN --to vllm` writes

vLLM builds each model without weights and tells which layers of it take a LoRA; it checks
adapter_config.json (PEFTHelper) and reads the weights (LoRAModel). What it then holds, B A times
its scaling, is compared with the adapter's file, and each layer's width with that of vLLM's model.
Nothing is computed: vLLM's kernels are not part of what is unpacked. 350 MB to fetch, once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("OMP_NUM_THREADS", "1")

VLLM = "0.33.0"
NEEDS = Path(__file__).with_suffix(".txt")


def main() -> None:
    if sys.argv[1] == "read":
        _read(Path(sys.argv[2]))
        return
    python = make_environment(Path(sys.argv[1]).absolute())
    with tempfile.TemporaryDirectory() as folder:
        jobs = list(_tiny_models(Path(folder)))
        jobs += [job for run in sys.argv[2:] for job in _exports(Path(run), Path(folder))]
        print("| adapter of | vLLM's model | layers taken | largest difference of B A |")
        print("|---|---|---|---|")
        for name, base, adapter in jobs:
            print(f"| {name} | {read_by_vllm(python, base, adapter)} |", flush=True)


def make_environment(folder: Path) -> Path:
    """The environment's Python. Raises CalledProcessError where the packages are not available."""
    python, done = folder / "bin/python", folder / ".installed"
    if done.is_file() and done.read_text(encoding="utf-8") == VLLM:
        return python
    venv.create(folder, with_pip=True, clear=True)
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    own = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    wheel = ["download", "--no-deps", "--dest", folder, f"vllm=={VLLM}"]
    for words in (wheel, ["install", "--no-deps", "-r", NEEDS]):
        subprocess.run([*pip, *words], check=True, timeout=1800)
    (fetched,) = folder.glob("vllm-*.whl")
    with zipfile.ZipFile(fetched) as archive:  # without its kernels, which need CUDA
        wanted = [n for n in archive.namelist() if n.endswith(".py") or ".dist-info/" in n]
        archive.extractall(own, wanted)
    fetched.unlink()
    borrowed = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (Path(own) / "borrowed.pth").write_text("\n".join(borrowed) + "\n", encoding="utf-8")
    done.write_text(VLLM, encoding="utf-8")
    return python


def _tiny_models(folder: Path):
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    os.environ["STYLEDIAL_HOME"] = str(folder / "home")
    from exports import FAMILIES, exported, published_base

    from styledial.models.load import load_base, quiet_libraries

    quiet_libraries()
    for number, name in enumerate(FAMILIES):
        base = published_base(name, folder / f"{number}/base")
        adapter, *_ = exported(base, folder / f"{number}/out")
        yield name, load_base(str(base)).base_folder, adapter


def _exports(run: Path, folder: Path):
    """Each strength of `styledial export RUN --to vllm`, with the base that serve.sh names."""
    target = folder / f"served-{run.resolve().name}"
    words = ["export", run, "--to", "vllm", "-o", target, "--no-measure"]
    subprocess.run([sys.executable, "-m", "styledial.cli.main", *words], check=True, cwd=ROOT)
    served = (target / "serve.sh").read_text(encoding="utf-8")
    base = served.split("vllm serve ")[1].split(" --")[0].strip("'")
    for settings in sorted(target.glob("*/adapter_config.json")):
        yield f"{run.name}, {settings.parent.name}", base, settings.parent


def read_by_vllm(python: Path, base: str | Path, adapter: Path) -> str:
    """The row's last three columns, or the last line of what vLLM objected to."""
    sys.path[:0] = [str(ROOT)]
    from styledial.export.vllm import check

    job = adapter.with_name(f"{adapter.name}-job.json")
    job.write_text(json.dumps([str(base), str(adapter), check(adapter)]), encoding="utf-8")
    done = subprocess.run(
        [python, __file__, "read", job], capture_output=True, text=True, timeout=600, check=False
    )
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


# From here on without any of our code, in the environment of vLLM.


def _read(job: Path) -> None:
    base, adapter, rank = json.loads(job.read_text(encoding="utf-8"))
    model = _without_weights(base)
    held = _loaded(model, adapter, rank)
    asked = _of_file(adapter)
    assert held.keys() == asked.keys(), sorted(held.keys() ^ asked.keys())
    gap = max((held[name] - asked[name]).abs().max().item() for name in asked)
    print(f"{type(model).__name__} | {len(held)} of {len(asked)} | {gap:.1e}")


def _without_weights(base: str):
    """vLLM's model of this base, on the meta device."""
    import torch
    import vllm.platforms
    from vllm.platforms.cpu import CpuPlatform

    vllm.platforms._current_platform = CpuPlatform()  # found by the kernels, which aren't here
    from vllm.config import DeviceConfig, ModelConfig, VllmConfig, set_current_vllm_config
    from vllm.distributed import init_distributed_environment, initialize_model_parallel
    from vllm.model_executor.models import ModelRegistry

    described = ModelConfig(
        model=base, dtype="float32", enforce_eager=True, skip_tokenizer_init=True
    )
    config = VllmConfig(model_config=described, device_config=DeviceConfig(device="cpu"))
    kind, _ = ModelRegistry.resolve_model_cls(described.architectures, described)
    with tempfile.NamedTemporaryFile() as meeting, set_current_vllm_config(config):
        init_distributed_environment(1, 0, f"file://{meeting.name}", 0, "gloo")
        initialize_model_parallel(1, 1)
        with torch.device("meta"):
            return kind(vllm_config=config)


def _loaded(model, adapter: str, rank: int) -> dict:
    """Layer -> B A as vLLM holds it: what its LRUCacheWorkerLoRAManager does to load an adapter."""
    import torch
    from vllm.config.lora import LoRAConfig
    from vllm.lora.lora_model import LoRAModel
    from vllm.lora.peft_helper import PEFTHelper
    from vllm.lora.utils import get_supported_lora_modules, process_packed_modules_mapping

    packed = process_packed_modules_mapping(model)
    expected = {
        name for layer in get_supported_lora_modules(model) for name in packed.get(layer, [layer])
    }
    helper = PEFTHelper.from_local_dir(adapter, None)
    helper.validate_legal(LoRAConfig(max_lora_rank=rank, lora_dtype=torch.float32))
    mapper = getattr(model, "hf_to_vllm_mapper", None)
    lora = LoRAModel.from_local_checkpoint(
        adapter,
        expected,
        helper,
        lora_model_id=1,
        device="cpu",
        dtype=torch.float32,
        weights_mapper=mapper.get_rename_mapper() if mapper else None,
        skip_prefixes=getattr(model, "lora_skip_prefixes", None),
    )
    layers = dict(model.named_modules())
    for name, one in lora.loras.items():
        _check_shape(layers, packed, name, one)
    return {n: one.lora_b @ one.lora_a * one.scaling for n, one in lora.loras.items()}


def _check_shape(layers: dict, packed: dict, name: str, one) -> None:
    """The layer, or the one that it is a part of, is in vLLM's model and of this width."""
    above, _, last = name.rpartition(".")
    whole = [f"{above}.{layer}" for layer, parts in packed.items() if last in parts]
    names = [name] if name in layers else whole
    (layer,) = [layers[each] for each in names if each in layers]
    assert one.lora_a.shape[1] == layer.input_size, name
    assert one.lora_b.shape[0] <= layer.output_size, name


def _of_file(adapter: str) -> dict:
    """Layer -> B A alpha / r, of the file alone."""
    from safetensors.torch import load_file

    settings = json.loads((Path(adapter) / "adapter_config.json").read_text(encoding="utf-8"))
    weights = load_file(Path(adapter) / "adapter_model.safetensors")
    scale = settings["lora_alpha"] / settings["r"]
    ends = ".lora_A.weight", ".lora_B.weight"
    return {
        key.removeprefix("base_model.model.").removesuffix(ends[0]): scale
        * (weights[key.replace(*ends)].float() @ weights[key].float())
        for key in weights
        if key.endswith(ends[0])
    }


if __name__ == "__main__":
    main()
