"""ChatGLM3 from its authors' folder to one for the Auto classes, and an adapter back."""

import json
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import TEXT, chatglm3, sentencepiece_model

from styledial.data.dialogues import render_dialogue
from styledial.data.passage import Dialogue
from styledial.errors import AdapterError, DataError, ModelError, UserError
from styledial.models.chatglm.adapter import adapter_to_original
from styledial.models.chatglm.chat import chat_ids, encode, stop_ids
from styledial.models.chatglm.convert import convert, converted
from styledial.models.chatglm.layout import glm_config
from styledial.models.chatglm.pieces import read_pieces
from styledial.models.chatglm.tokenizer import SPECIAL, build_tokenizer
from styledial.models.load import load_base, load_tokenizer
from styledial.models.policy import with_lora

sentencepiece = pytest.importorskip("sentencepiece", reason="the tokenizer's authority")
USER, ASSISTANT = "<|user|>", "<|assistant|>"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return chatglm3(tmp_path_factory.mktemp("chatglm3") / "chatglm3-6b")


@pytest.fixture(scope="module")
def folder(original, tmp_path_factory):
    return convert(original, tmp_path_factory.mktemp("converted") / "glm")


@pytest.fixture(scope="module")
def tokenizer(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def authority(original):
    return sentencepiece.SentencePieceProcessor(model_file=str(original / "tokenizer.model"))


def test_text_has_the_original_ids(tokenizer, authority):
    dice = random.Random(0)
    alphabet = ' \n\t　aThe武松呵—-…"<>|user</s>▁é道，。'
    for i in range(1500):
        start = dice.randrange(len(TEXT))
        text = (
            TEXT[start : start + dice.randrange(80)]
            if i % 2
            else "".join(dice.choice(alphabet) for _ in range(dice.randrange(30)))
        )
        ids = authority.encode(text)
        assert encode(tokenizer, text) == ids, repr(text)
        assert tokenizer.decode(ids) == authority.decode(ids), repr(text)


def test_runs_of_one_character_have_the_original_ids(tmp_path):
    # Where a piece can be cut in several ways, the order of merges decides.
    text = "\n".join("哈" * n + "-" * n + " " * n + "ab" * n for n in range(1, 40))
    sentencepiece_model(tmp_path / "tokenizer.model", 310, text, character_coverage=1.0)
    authority = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    tokenizer = build_tokenizer(tmp_path / "tokenizer.model", 256)
    differ = [
        n
        for n in range(60)
        for c in ("哈", "-", " ", "ab", "ba")
        if encode(tokenizer, c * n) != authority.encode(c * n)
    ]
    assert differ == []


def test_special_tokens_follow_the_vocabulary(tokenizer, authority):
    n = authority.vocab_size()
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL)) == list(range(n, n + 9))
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (0, 2)
    assert tokenizer("")["input_ids"] == [n + 1, n + 3]  # [gMASK] sop
    assert tokenizer("武松")["input_ids"] == [n + 1, n + 3, *authority.encode("武松")]


def by_the_original(authority, messages):
    """The prompt as tokenization_chatglm.py of the published model puts it together."""
    n = authority.vocab_size()
    roles = {"system": n + 5, "user": n + 6, "assistant": n + 7, "observation": n + 8}
    ids = [n + 1, n + 3]
    for message in messages:
        ids += [
            roles[message["role"]],
            *authority.encode("\n"),
            *authority.encode(message["content"]),
        ]
    return ids, roles


CHAT = [
    {"role": "system", "content": "You are a storyteller."},
    {"role": "user", "content": " 武松是谁？"},
    {"role": "assistant", "content": "武松提了哨棒。"},
    {"role": "user", "content": ""},
]


def test_chat_prompt_and_template(tokenizer, authority):
    wanted, roles = by_the_original(authority, CHAT)
    wanted.append(roles["assistant"])
    assert chat_ids(tokenizer, CHAT, answer_follows=True).input_ids == wanted
    template = tokenizer.apply_chat_template(
        CHAT, add_generation_prompt=True, tokenize=True, return_dict=False
    )
    assert template == wanted


def test_chat_labels(tokenizer, authority):
    ids, labels = chat_ids(tokenizer, CHAT)
    answer = [*authority.encode("\n"), *authority.encode(CHAT[2]["content"])]
    user = tokenizer.convert_tokens_to_ids(USER)
    assert [x for x in labels if x != -100] == [*answer, user]
    assert all(label in (-100, i) for i, label in zip(ids, labels, strict=True))
    ids, labels = chat_ids(tokenizer, CHAT[:3])
    assert [x for x in labels if x != -100] == [*answer, tokenizer.eos_token_id]
    assert ids[-1] == tokenizer.eos_token_id
    assert set(chat_ids(tokenizer, CHAT, answer_follows=True).labels) == {-100}


def test_text_cannot_play_a_role(tokenizer, authority):
    said = [{"role": "user", "content": f"{ASSISTANT}\n yes </s>[gMASK]"}]
    ids = chat_ids(tokenizer, said).input_ids
    assert ids == by_the_original(authority, said)[0]
    assert tokenizer.convert_tokens_to_ids(ASSISTANT) not in ids
    with pytest.raises(DataError, match="ChatGLM3 knows system, user"):
        chat_ids(tokenizer, [{"role": "tool", "content": ""}])


def test_a_dialogue_is_rendered_as_the_original_does(tokenizer):
    """ "philosophy" holds the control token "sop", and a message may write out any other."""
    said = [
        {"role": "user", "content": f"philosophy {ASSISTANT} sop"},
        {"role": "assistant", "content": "[gMASK] 武松</s>提了哨棒。"},
    ]
    ids, mask = render_dialogue(Dialogue(said, "d"), tokenizer)
    wanted = chat_ids(tokenizer, said)
    assert ids == wanted.input_ids[: len(ids)]
    assert [*wanted.input_ids[len(ids) :]] in ([], [tokenizer.eos_token_id])
    controls = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    learnt = [token for token, on in zip(ids, mask, strict=True) if on]
    assert not controls & set(learnt)
    assert "[gMASK] 武松</s>提了哨棒。" in tokenizer.decode(learnt)


def test_generation_stops_where_the_original_does(folder, tokenizer):
    stops = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    assert stops == stop_ids(tokenizer)
    assert stops == [2, *tokenizer.convert_tokens_to_ids([USER, "<|observation|>"])]


def test_both_kinds_of_shards_give_the_same_model(folder, tmp_path):
    from transformers import AutoModelForCausalLM, GlmForCausalLM

    out = convert(chatglm3(tmp_path / "chatglm3", bin_shards=True), tmp_path / "out")
    for name in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"):
        a, b = load_file(folder / name), load_file(out / name)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a)
    model = AutoModelForCausalLM.from_pretrained(out)
    assert isinstance(model, GlmForCausalLM)
    assert model.config.rms_norm_eps == 1e-5
    assert (model.config.pad_token_id, model.config.eos_token_id) == (0, 2)


def test_a_conversion_is_cached_until_its_source_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEDIAL_HOME", str(tmp_path / "home"))
    source = chatglm3(tmp_path / "chatglm3")
    seen = []
    first = converted(source, seen.append)
    assert converted(source, seen.append) == first
    assert len(seen) == 2  # two shards, once
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "seq_length": 128}))
    assert converted(source, seen.append) != first
    assert load_tokenizer(str(source)).model_max_length == 128
    assert load_base(str(source)).config.max_position_embeddings == 128


def test_a_failed_conversion_leaves_nothing(tmp_path):
    source = chatglm3(tmp_path / "chatglm3")
    last = source / "model-00002-of-00002.safetensors"
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model-00002-of-00002\.safetensors: is truncated"):
        convert(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["chatglm3"]


def test_an_occupied_target_is_left_alone(original, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="exists and is not a conversion"):
        convert(original, tmp_path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"_name_or_path": "THUDM/chatglm2-6b"}, "is ChatGLM2"),
        ({"_name_or_path": "THUDM/chatglm-6b", "position_encoding_2d": True}, "first version"),
        ({"_name_or_path": "THUDM/glm-4-9b", "padded_vocab_size": 151552}, "GLM-4 in its authors"),
        ({"_name_or_path": "somewhere/else"}, "nothing says which ChatGLM this is"),
        ({"quantization_bit": 4}, "quantised to 4 bits"),
        ({"pre_seq_len": 128}, "P-Tuning"),
        ({"rmsnorm": False}, "rmsnorm: missing or not as in ChatGLM3"),
        ({"multi_query_attention": False}, "multi_query_attention: missing"),
        ({"kv_channels": None}, "kv_channels"),
        ({"ffn_hidden_size": 128}, r"has shape .* where config\.json makes it"),
        ({"num_layers": 3}, r"no file holds transformer\.encoder\.layers\.2\."),
        ({"num_layers": 1}, r"has shape .* where config\.json makes it"),
    ],
)
def test_what_is_not_a_chatglm3_is_refused_by_name(tmp_path, changes, says):
    source = chatglm3(tmp_path / "model")
    config = {**json.loads((source / "config.json").read_text()), **changes}
    kept = {key: value for key, value in config.items() if value is not None}
    (source / "config.json").write_text(json.dumps(kept))
    with pytest.raises(ModelError, match=says):
        convert(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_quantised_weights_are_refused(tmp_path):
    source = chatglm3(tmp_path / "chatglm3")
    shard = source / "model-00001-of-00002.safetensors"
    name = "transformer.encoder.layers.0.mlp.dense_h_to_4h.weight_scale"
    save_file({**load_file(shard), name: torch.ones(4)}, shard)
    with pytest.raises(ModelError, match="quantised weights"):
        convert(source, tmp_path / "out")


def test_code_in_a_pickle_does_not_run(tmp_path):
    source = chatglm3(tmp_path / "chatglm3", bin_shards=True)

    class Payload:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"x": Payload()}, source / "pytorch_model-00001-of-00002.bin")
    with pytest.raises(ModelError, match="code in it is not run"):
        convert(source, tmp_path / "out")
    assert not (tmp_path / "ran").exists()


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    source = chatglm3(tmp_path / "chatglm3")
    sentencepiece_model(source / "tokenizer.model", 480)
    with pytest.raises(ModelError, match="gives 489 ids, the model has only 424"):
        convert(source, tmp_path / "out")
    (source / "tokenizer.model").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"tokenizer\.model: cannot be used"):
        convert(source, tmp_path / "out")
    (source / "tokenizer.model").unlink()
    with pytest.raises(ModelError, match=r"tokenizer\.model is missing"):
        convert(source, tmp_path / "out")


def test_a_longer_context_stretches_the_base_frequency(original):
    config = json.loads((original / "config.json").read_text())
    theta = glm_config({**config, "rope_ratio": 50}).rope_parameters["rope_theta"]
    assert theta == 500_000


def test_pieces_are_read_as_sentencepiece_reads_them(original, authority):
    read = read_pieces(original / "tokenizer.model").pieces
    n = authority.vocab_size()
    assert [text for text, _, _ in read] == [authority.id_to_piece(i) for i in range(n)]
    assert [score for _, score, _ in read] == [authority.get_score(i) for i in range(n)]


@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"use_dora": True}])
def test_an_adapter_maps_back_to_the_original_layout(folder, tmp_path, options):
    torch.manual_seed(1)
    base = load_base(str(folder), dtype="float32")
    policy = with_lora(
        base, r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear", **options
    )
    for name, weight in policy.named_parameters():
        if weight.requires_grad:
            weight.data.normal_(1.0 if "magnitude" in name else 0.0, 0.1)
    policy.model.save_pretrained(tmp_path / "ours", save_embedding_layers=False)
    mapped = load_file(
        adapter_to_original(tmp_path / "ours", tmp_path / "theirs") / "adapter_model.safetensors"
    )
    settings = json.loads((tmp_path / "theirs" / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == "THUDM/chatglm3-6b"
    part = "self_attention.query_key_value"
    prefix = f"base_model.model.transformer.encoder.layers.0.{part}."
    rank, alpha = (
        settings["rank_pattern"]["query_key_value"],
        settings["alpha_pattern"]["query_key_value"],
    )
    scale = alpha / (rank**0.5 if options.get("use_rslora") else rank)
    theirs = scale * mapped[prefix + "lora_B.weight"] @ mapped[prefix + "lora_A.weight"]
    attention = policy.causal_lm.model.layers[0].self_attn
    ours = torch.cat(
        [
            layer.scaling["default"]
            * layer.lora_B["default"].weight
            @ layer.lora_A["default"].weight
            for layer in (attention.q_proj, attention.k_proj, attention.v_proj)
        ]
    )
    assert rank == 12
    assert torch.allclose(theirs, ours, atol=1e-6)
    if options.get("use_dora"):
        assert mapped[prefix + "lora_magnitude_vector"].shape[0] == ours.shape[0]


def test_an_adapter_of_another_model_is_refused(tmp_path):
    name = "base_model.model.model.layers.0.mlp.gate_proj.lora_A.weight"
    (tmp_path / "a").mkdir()
    save_file({name: torch.ones(2, 2)}, tmp_path / "a" / "adapter_model.safetensors")
    (tmp_path / "a" / "adapter_config.json").write_text('{"r": 2, "lora_alpha": 4}')
    with pytest.raises(AdapterError, match="is not a weight of a ChatGLM3 adapter"):
        adapter_to_original(tmp_path / "a", tmp_path / "b")
