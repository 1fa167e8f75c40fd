"""Tiny random models of real architectures, on disk with tokenizers of the same kind.

qwen2, llama, qwen3      byte-level BPE (Llama's opens with a BOS token)
mistral, Yi, Gemma       BPE on "▁" with byte fallback, opening with a BOS token
ChatGLM3                 the authors' layout: .bin or safetensors shards and a tokenizer.model
"""

import json
from pathlib import Path

import torch

from styledial.models.registry import MODELS, known

TEXT = """却说武松提了哨棒，大着步，自过景阳冈来。约行了四五里路，来到冈子下，见一大树。
武松看了笑道：“这是酒家诡诈，惊吓那等客人，便去那厮家里宿歇。我却怕甚么鸟！”
这时已有申牌时分，这轮红日厌厌地相傍下山。武松乘着酒兴，只管走上冈子来。
The quick brown fox jumps over the lazy dog, and the rain fell on rivers and lakes.
江湖夜雨十年灯，桃李春风一杯酒。那人抬头望去，只见远山如黛，渡口空无一人。
""".replace("。", "。\n")
END = "<|endoftext|>"
_TINY = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def tiny_config(name):
    """The published configuration of one of the six, shrunk: all its switches, and as many query
    heads to a KV head as it has (7 in Qwen2.5-7B, 5 in 14B, 4 in Llama and Mistral)."""
    model = known(name)
    config = {**model.config, **_TINY}
    groups = model.config["num_attention_heads"] // model.config["num_key_value_heads"]
    config["num_key_value_heads"] = 2 if groups == 4 else 1
    config["num_attention_heads"] = groups * config["num_key_value_heads"]
    config["hidden_size"] = 16 * config["num_attention_heads"]
    config["max_position_embeddings"] = 256
    if "head_dim" in config:
        config["head_dim"] = 16
    if "sliding_window" in config:
        config["sliding_window"] = 16  # shorter than the texts, so that it is felt
    return model.model_type, config


def build(name, folder, *, kind=None, **changes):
    """Save a tiny `name` (one of the six, or `kind` with `changes`) with its tokenizer; returns folder."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    folder = Path(folder)
    if name == "THUDM/chatglm3-6b":
        return chatglm3(folder)
    model_type, config = (kind, {**_TINY, "num_key_value_heads": 2}) if kind else tiny_config(name)
    config = {**config, **changes}
    tokenizer = tokenizer_for(model_type, name)
    end = tokenizer.eos_token_id
    config.update(
        vocab_size=len(tokenizer) + 7,
        eos_token_id=end,
        pad_token_id=end,
        bos_token_id=tokenizer.bos_token_id,
    )
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **config))
    spread(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def spread(model):
    """Larger random weights than the usual 0.02: logits of several nats, as a trained model's."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.normal_(0.0, 0.15, generator=generator)


def tokenizer_for(model_type, name=""):
    from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

    if model_type in ("qwen2", "qwen3"):
        backend = byte_level()
        state = json.loads(backend.to_str())["model"]
        merges = [tuple(pair) for pair in state["merges"]]
        return Qwen2Tokenizer(vocab=state["vocab"], merges=merges, eos_token=END, pad_token=END)
    if model_type in ("llama", "glm4") and "Yi" not in name:
        backend = byte_level("<|begin_of_text|>" if model_type == "llama" else "[gMASK]")
        bos = "<|begin_of_text|>" if model_type == "llama" else None
        return PreTrainedTokenizerFast(
            tokenizer_object=backend, bos_token=bos, eos_token=END, pad_token=END
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=blank_pieces(), bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def byte_level(opening=None):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = [END] + ([opening] if opening else [])
    backend.train_from_iterator(
        [TEXT],
        trainers.BpeTrainer(
            vocab_size=500,
            special_tokens=special,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    if opening:
        mark = (opening, backend.token_to_id(opening))
        backend.post_processor = processors.TemplateProcessing(
            single=[opening, "$A"], special_tokens=[mark]
        )
    return backend


def blank_pieces():
    from tokenizers import (
        AddedToken,
        Tokenizer,
        decoders,
        models,
        normalizers,
        processors,
        trainers,
    )

    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    backend = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.train_from_iterator(
        [TEXT], trainers.BpeTrainer(vocab_size=600, special_tokens=special, show_progress=False)
    )
    # The byte pieces took ids as special tokens while training; text must not match them.
    state = json.loads(backend.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if t["content"] in special[:3]]
    backend = Tokenizer.from_str(json.dumps(state))
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    backend.add_special_tokens([AddedToken(text, normalized=False) for text in special[:3]])
    backend.post_processor = processors.TemplateProcessing(
        single=["<s>", "$A"], special_tokens=[("<s>", 1)]
    )
    return backend


def chatglm3(folder, *, bin_shards=False, n_pieces=400, **changes):
    """A ChatGLM3 as its authors publish it, from random weights; two shards with an index."""
    from safetensors.torch import save_file
    from transformers import GlmForCausalLM

    from styledial.models.chatglm.layout import glm_config
    from styledial.models.chatglm.weights import to_original

    folder.mkdir(parents=True, exist_ok=True)
    sentencepiece_model(folder / "tokenizer.model", n_pieces)
    original = {
        "_name_or_path": "THUDM/chatglm3-6b", "model_type": "chatglm",
        "architectures": ["ChatGLMModel"], "add_bias_linear": False, "add_qkv_bias": True,
        "apply_residual_connection_post_layernorm": False, "attention_dropout": 0.0,
        "ffn_hidden_size": 96, "hidden_size": 64, "kv_channels": 16, "layernorm_epsilon": 1e-5,
        "multi_query_attention": True, "multi_query_group_num": 2, "num_attention_heads": 4,
        "num_layers": 2, "padded_vocab_size": n_pieces + 24, "post_layer_norm": True,
        "rmsnorm": True, "seq_length": 256, "torch_dtype": "float32",
        "tie_word_embeddings": False, "eos_token_id": 2, "pad_token_id": 0, **changes,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(original))
    torch.manual_seed(0)
    model = GlmForCausalLM(glm_config(original))
    spread(model)
    weights = to_original(model.state_dict())
    weights["transformer.rotary_pos_emb.inv_freq"] = torch.ones(4)
    names = sorted(weights)
    # Cut in the middle of a layer, as the published shards do.
    halves = [names[: len(names) // 2], names[len(names) // 2 :]]
    stem, end = ("pytorch_model", "bin") if bin_shards else ("model", "safetensors")
    listed = {}
    for i, half in enumerate(halves, 1):
        file = f"{stem}-{i:05d}-of-00002.{end}"
        part = {name: weights[name].clone() for name in half}
        torch.save(part, folder / file) if bin_shards else save_file(part, folder / file)
        listed.update(dict.fromkeys(half, file))
    (folder / f"{stem}.{end}.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": listed})
    )
    return folder


def sentencepiece_model(path, size, text=TEXT, **options):
    """A BPE model with byte fallback by sentencepiece's own trainer."""
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.split("\n")),
        model_prefix=str(path.with_suffix("")),
        **{
            "vocab_size": size,
            "model_type": "bpe",
            "byte_fallback": True,
            "character_coverage": 0.98,
            "normalization_rule_name": "identity",
            "remove_extra_whitespaces": False,
            "minloglevel": 2,
            **options,
        },
    )


GUIDE = [model.name for model in MODELS]
