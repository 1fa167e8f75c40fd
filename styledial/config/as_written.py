"""Values as people write them: `bf16`, `Cosine`, `yes`, `q_proj，v_proj`, `0。1`, `5%`.

    understood("model.dtype", field, "bf16")                       -> "bfloat16"
    understood("training.report_to", field, "wandb，TensorBoard")   -> ["wandb", "tensorboard"]

Only what can mean one thing is read so; everything else goes on unchanged, for the schema to
refuse, or is refused here with the reason.
"""

from __future__ import annotations

import re
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from styledial.config.hub_address import model_in
from styledial.config.paths import PATHS, exists, expanded
from styledial.errors import UserError
from styledial.keyboard import QUOTES, half_width, numeral, plain

# What other tools call a choice of ours; compared without case, `-`, `_` and spaces.
_ALIASES: dict[str, dict[str, str]] = {
    "model.dtype": {
        "bf16": "bfloat16", "fp16": "float16", "f16": "float16", "half": "float16",
        "fp32": "float32", "f32": "float32", "float": "float32",
    },
    "model.attn_implementation": {"fa2": "flash_attention_2", "flashattn2": "flash_attention_2"},
    "training.report_to": {"tb": "tensorboard", "w&b": "wandb", "weights&biases": "wandb"},
    "training.fsdp": {"fullshard": "on", "fullshardautowrap": "on"},
    "training.kl_direction": {"reversekl": "reverse", "forwardkl": "forward"},
    "model.lora_target_modules": {"all": "all-linear"},
}  # fmt: skip
# Words of the settings that otherwise take a path or a name.
_WORDS: dict[str, tuple[str, ...]] = {
    "model.model_name_or_path": ("bundled",),
    "model.lora_target_modules": ("all-linear",),
    "data.data_dir": ("bundled",),
    "data.general": ("bundled",),
    "data.anchor": ("self", "bundled", "off"),
    "training.reference_cache": ("auto", "off"),
}
_YES = {"true", "yes", "on", "y", "t", "1", "enable", "enabled", "是", "开", "开启", "启用"}
_NO = {"false", "no", "off", "n", "f", "0", "disable", "disabled", "否", "关", "关闭", "禁用"}
_NOTHING = {"none", "null", "nil", "~", "无", "不用"}
# Settings that are a part of a whole, where 5% is 0.05.
_SHARES = {
    "data.validation_split", "data.anchor_ratio", "data.anchor_chat", "training.warmup_ratio",
    "model.lora_dropout", "training.min_lr_ratio", "training.kl_rows",
}  # fmt: skip
# Lists of texts, each taken as it is typed: a pattern may hold commas and spaces.
_TEXTS = {"data.keep", "data.drop", "data.encoding"}
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_ON_A_HUB = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)


def understood(name: str, field: FieldInfo, value: Any) -> Any:
    """The value that `value` means for the setting `name` ("section.key"); unchanged where it says
    nothing that is known. Raises UserError where it might mean two things."""
    kinds = _kinds(field.annotation)
    choices = [kind for kind in kinds if isinstance(kind, str)]
    if name in _TEXTS:
        return [] if value is None else [value] if isinstance(value, str) and value else value
    if list in kinds:
        return _names(name, choices, value)
    if choices or name in _WORDS:
        value = _choice(name, [*choices, *_WORDS.get(name, ())], value)
        if value in choices:
            return value
    if name in PATHS:
        return _path(name, value)
    if not isinstance(value, str):
        return value
    typed = plain(value)
    if type(None) in kinds and _squeezed(typed) in _NOTHING:
        return None
    if bool in kinds:
        return _truth(typed)
    if int in kinds or float in kinds:
        return _number(typed, whole=float not in kinds, share=name in _SHARES)
    return value if not kinds - {str, type(None)} and not typed else typed


def listed(text: str) -> list[str]:
    """The names in "a, b", "a b", "a，b", "a、b" or "[a, b]"."""
    bare = half_width(text).strip("[]()【】 ")
    return [each for part in re.split(r"[,;、\s]+", bare) if (each := plain(part))]


def model_name(value: str) -> str:
    """A model's folder, its name, or its page on a hub, as a command takes it. Raises UserError."""
    return str(_path("model.model_name_or_path", value))


def chosen(value: str, choices: tuple[str, ...], aliases: str = "") -> str:
    """The one of `choices` that `value` is another spelling of, else `value`; for the options of
    commands. `aliases` names the setting whose other names count too."""
    known = {_squeezed(choice): choice for choice in choices}
    other = {k: v for k, v in _ALIASES.get(aliases, {}).items() if v in choices}
    return (other | known).get(_squeezed(value), value)


def _kinds(annotation: Any) -> set[Any]:
    """The types that a field takes, and each word of its Literals."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin is Literal:
        return set(get_args(annotation))
    if origin in (Union, UnionType):
        return set().union(*map(_kinds, get_args(annotation)))
    if origin is list:
        return {list} | _kinds(get_args(annotation)[0])
    return {annotation}


def _squeezed(text: str) -> str:
    """Without case, `-`, `_`, spaces, and what stands before a point: torch.bfloat16."""
    word = plain(text)
    if re.fullmatch(r"[A-Za-z]+\.[\w-]+", word):
        word = word.partition(".")[2]
    return re.sub(r"[-_\s]", "", word).lower()


def _choice(name: str, choices: list[str], value: Any) -> Any:
    """The choice that `value` is another spelling of, else `value`."""
    nothing = next((word for word in ("off", "none") if word in choices), None)
    if value is None or value is False:
        return nothing if nothing and (value is False or name in _MAY_BE_NULL) else value
    if value is True:
        return "on" if "on" in choices else value
    if not isinstance(value, str):
        return value
    word = _squeezed(value)
    known = {_squeezed(choice): choice for choice in choices} | _ALIASES.get(name, {})
    if nothing:
        known |= dict.fromkeys((_NO | _NOTHING) - {"0"} - known.keys(), nothing)
    if "on" in choices:
        known |= dict.fromkeys(_YES - {"1"} - known.keys(), "on")
    found = known.get(word)
    if found is None:
        return value
    if name in PATHS and value != found and exists(value):
        raise UserError(
            f"{value} is another spelling of {found}, and also a folder or file here; write "
            f"{found} or ./{value}",
            f"{value} 既可理解为 {found}，又是此处的文件或文件夹；请写 {found} 或 ./{value}",
        )
    return found


# Where null in YAML says "nothing of it"; a value left empty is refused (empty.py).
_MAY_BE_NULL = ("training.report_to", "data.anchor")


def _names(name: str, choices: list[str], value: Any) -> Any:
    """A list of names from a list or from text; one word that stands for a choice by itself."""
    if value == []:
        value = None
    whole = _choice(name, [*choices, *_WORDS.get(name, ())], value)
    if whole in (*choices, *_WORDS.get(name, ())):
        return whole
    if isinstance(value, str):
        if not choices and _is_pattern(value):
            return value
        value = [value]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return value
    names = [_choice(name, choices, part) for each in value for part in listed(each)]
    names = list(dict.fromkeys(names))
    alone = {"none", "all"} & set(names)
    if choices and alone and len(names) > 1:
        raise UserError(
            f"{min(alone)} stands beside other names; write it alone, or leave it out",
            f"{min(alone)} 不能与其他名称并列；请单独写，或去掉",
        )
    words = _WORDS.get(name, ())
    if len(names) == 1:
        only = _choice(name, [*choices, *words], names[0])
        return only if only in (*choices, *words) else names
    return names


def _is_pattern(text: str) -> bool:
    """Whether text is a regular expression for PEFT, and not names: those have no signs."""
    return re.fullmatch(r"[\w.\-,;、\s'\"“”‘’]+", half_width(text).strip("[]【】")) is None


def _path(name: str, value: Any) -> Any:
    """A path with its variables filled in; of the model, also a name or a page on a hub. Raises
    UserError for several."""
    if isinstance(value, list):
        raise UserError(
            f"takes one path, not a list of {len(value)}. Texts from several places go into one "
            "folder; its subfolders are read too",
            f"只能写一个路径，而这里是 {len(value)} 项的列表。多处的文本请放进同一个文件夹，"
            "子文件夹也会读取",
        )
    if not isinstance(value, str) or exists(value):
        return value
    bare = value.strip()
    if len(bare) > 1 and bare[0] in QUOTES and bare[-1] in QUOTES:
        bare = bare[1:-1].strip()  # “data/novels”, from a Chinese keyboard
    if name == "model.model_name_or_path":
        typed = re.sub(r"\s*/\s*", "/", plain(bare))
        model = model_in(typed)
        if model != typed or _ON_A_HUB.fullmatch(model):
            return model
    if _ADDRESS.match(bare):
        raise UserError(
            f"{bare} is an address, and a path on this machine is needed",
            f"{bare} 是网址，这里需要本机上的路径",
        )
    found = expanded(bare)
    if not exists(found) and exists(western := expanded(plain(bare))):
        return western  # data／novels, ～/novels
    return found


def _truth(typed: str) -> Any:
    word = typed.lower()
    return True if word in _YES else False if word in _NO else typed


def _number(typed: str, *, whole: bool, share: bool) -> Any:
    """A number's text as Python reads it; 5% of a share, 1e3 as a whole number."""
    text = numeral(typed)
    if share and re.fullmatch(r"\d+(\.\d*)?\s*%", text):
        return float(text.rstrip("% ")) / 100
    if whole and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE]\+?\d{1,2}", text) and float(text).is_integer():
        return int(float(text))
    return text
