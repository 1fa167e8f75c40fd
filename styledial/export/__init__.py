"""A finished adapter for other programs: PEFT, one model, GGUF, Ollama, vLLM, with a model card."""
