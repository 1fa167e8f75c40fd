"""ChatGLM3 without its remote code: read once in the original layout, then a GlmForCausalLM.

    config.json        -> layout.py    which ChatGLM this is, and its GlmConfig
    *.bin/.safetensors -> weights.py   names, and the fused Q|K|V taken apart (and back)
    tokenizer.model    -> pieces.py    the sentencepiece file's pieces
                       -> tokenizer.py a fast tokenizer with the original's ids
    chat messages      -> chat.py      the original's prompt ids, and labels
    all of it          -> convert.py   a folder that the Auto classes load
    a LoRA adapter     -> adapter.py   back to the original's layer names

The layer math is the same in both (RMSNorm, partial rotary 0.5 on interleaved pairs, SwiGLU with
gate first, biased Q/K/V); only names, one fused matrix and the tokenizer differ. Checked against
the original implementation's logits, loss and gradients in tests/test_models_chatglm.py.
"""
