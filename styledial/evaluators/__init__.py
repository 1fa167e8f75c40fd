"""Small measurements of a tuned model, each against its base."""
