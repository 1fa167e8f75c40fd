"""From configuration to parts: texts, model, KL."""
