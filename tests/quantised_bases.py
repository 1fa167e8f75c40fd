"""Tiny bases whose files are quantised, as their authors publish them.

bnb(folder, bits)         bitsandbytes, NF4 or LLM.int8(), as transformers saves it
fp8(folder)               blocks of FP8 with a scale each, as DeepSeek and Qwen publish them
mxfp4(folder)             gpt_oss: experts in 4 bits with a power of two for 32 of them
compressed(folder, kind)  compressed-tensors: FP8 a row, or 4-bit integers packed into int32
gptq(folder)              GPTQ: 4-bit integers, eight rows of a column in an int32
awq(folder)               AWQ: the same, eight columns of a row, in the order of its kernels

Each writes `folder` and gives the plain model beside it with the values that the files stand for.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from families import build_family
from safetensors.torch import load_file, save_file

_E2M1 = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])


def bnb(folder: Path, bits: int) -> Path:
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    plain = _plain(folder, "qwen2")
    four = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
    config = BitsAndBytesConfig(**(four if bits == 4 else {"load_in_8bit": True}))
    model = AutoModelForCausalLM.from_pretrained(
        plain, quantization_config=config, device_map={"": "cpu"}
    )
    model.save_pretrained(folder)
    for path in plain.glob("tokenizer*"):
        shutil.copy(path, folder)
    return plain


def fp8(folder: Path, kind: str = "qwen2") -> Path:
    def packed(weight: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        scale = (weight.abs().max() / 448.0).reshape(1, 1)
        small = (weight / scale).to(torch.float8_e4m3fn)
        return {"weight": small, "weight_scale_inv": scale}, small.float() * scale

    return _packed(
        folder,
        kind,
        packed,
        {
            "quant_method": "fp8",
            "activation_scheme": "dynamic",
            "fmt": "e4m3",
            "weight_block_size": [128, 128],
        },
    )


def compressed(folder: Path, kind: str) -> Path:
    weights = {"strategy": "channel", "symmetric": True, "dynamic": False}
    if kind == "fp8":
        weights |= {"num_bits": 8, "type": "float"}
    else:
        weights |= {"num_bits": 4, "type": "int"}
    return _packed(
        folder,
        "qwen2",
        _rows_of_fp8 if kind == "fp8" else _packed_int4,
        {
            "quant_method": "compressed-tensors",
            "quantization_status": "compressed",
            "format": "float-quantized" if kind == "fp8" else "pack-quantized",
            "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
        },
    )


def _rows_of_fp8(weight: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    scale = weight.abs().amax(1, keepdim=True) / 448.0
    small = (weight / scale).to(torch.float8_e4m3fn)
    return {"weight": small, "weight_scale": scale}, small.float() * scale


def gptq(folder: Path) -> Path:
    def packed(weight: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        whole, scale = _sixteen_steps(weight)
        columns = (whole + 8).T.reshape(-1, 8, len(weight)).transpose(1, 2)
        parts = {
            "qweight": _words(columns),
            "qzeros": _words(torch.full((1, len(weight) // 8, 8), 7.0)),  # one less than the zero
            "scales": scale.T.half(),
            "g_idx": torch.zeros(weight.shape[1], dtype=torch.int32),
        }
        return parts, whole * scale

    how = {"quant_method": "gptq", "desc_act": False, "sym": True, "checkpoint_format": "gptq"}
    return _packed(folder, "qwen2", packed, {**how, "bits": 4, "group_size": -1, "lm_head": False})


def awq(folder: Path) -> Path:
    def packed(weight: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        whole, scale = _sixteen_steps(weight)
        rows = (whole + 8).T.reshape(weight.shape[1], -1, 8)[..., [0, 2, 4, 6, 1, 3, 5, 7]]
        parts = {
            "qweight": _words(rows),
            "qzeros": _words(torch.full((1, len(weight) // 8, 8), 8.0)),
            "scales": scale.T.half(),
        }
        return parts, whole * scale

    how = {"quant_method": "awq", "version": "gemm", "zero_point": True}
    return _packed(folder, "qwen2", packed, {**how, "bits": 4, "group_size": -1})


def _sixteen_steps(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole numbers from -8 to 7, and a scale a row [out, 1] that fp16 holds exactly."""
    scale = (weight.abs().amax(1, keepdim=True) / 7.0).half().float()
    return (weight / scale).round().clamp(-8, 7), scale


def _words(nibbles: torch.Tensor) -> torch.Tensor:
    """[..., 8] of 0 to 15 -> int32 [...], the first in the lowest bits."""
    words = (nibbles.to(torch.int64) << torch.arange(0, 32, 4)).sum(-1)
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)


def _packed_int4(weight: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Eight integers from -8 to 7 an int32, the first in its lowest bits, each moved up by 8."""
    scale = weight.abs().amax(1, keepdim=True) / 7.0
    whole = (weight / scale).round().clamp(-8, 7)
    words = _words((whole + 8).reshape(len(weight), -1, 8))
    shape = torch.tensor(weight.shape)
    parts = {"weight_packed": words, "weight_scale": scale, "weight_shape": shape}
    return parts, whole * scale


def _packed(folder: Path, kind: str, packed, config: dict) -> Path:
    """The linear layers of a plain model as `packed` makes them; the plain one gets their values."""
    plain = _plain(folder, kind)
    weights, small = load_file(plain / "model.safetensors"), {}
    for name, weight in weights.items():
        if "proj.weight" not in name:
            small[name] = weight
            continue
        parts, weights[name] = packed(weight)
        small |= {name.replace("weight", part): value for part, value in parts.items()}
    return _written(folder, plain, weights, small, config)


def mxfp4(folder: Path) -> Path:
    plain = _plain(folder, "gpt_oss")
    weights, small = load_file(plain / "model.safetensors"), {}
    for name, weight in weights.items():
        if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            small[name] = weight
            continue
        small[f"{name}_blocks"], small[f"{name}_scales"], weights[name] = _in_mxfp4(weight)
    config = {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head", "router"]}
    return _written(folder, plain, weights, small, config)


def _in_mxfp4(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """[E, in, out] -> blocks [E, out, in/32, 16] of two values a byte, exponents, values."""
    rows = weight.transpose(1, 2).contiguous()
    groups = rows.reshape(*rows.shape[:2], -1, 32)
    exponent = (groups.abs().amax(-1, keepdim=True) / 6.0).clamp_min(1e-9).log2().ceil()
    scaled = groups / exponent.exp2()
    code = (scaled.abs().unsqueeze(-1) - _E2M1).abs().argmin(-1)
    values = _E2M1[code] * scaled.sign() * exponent.exp2()
    code = (code + 8 * (scaled < 0)).to(torch.uint8)
    blocks = code[..., 0::2] | (code[..., 1::2] << 4)
    back = values.reshape(rows.shape).transpose(1, 2).contiguous()
    return blocks, (exponent.squeeze(-1) + 127).to(torch.uint8), back


def _plain(folder: Path, kind: str) -> Path:
    return build_family(kind, folder.with_name(f"{folder.name}-plain"))


def _written(folder: Path, plain: Path, weights, small, config: dict) -> Path:
    save_file(weights, plain / "model.safetensors", metadata={"format": "pt"})
    shutil.copytree(plain, folder)
    save_file(
        {name: value.contiguous() for name, value in small.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "quantization_config": config}))
    return plain
