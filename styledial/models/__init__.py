"""Base models, their adapters, and the reference that a KL budget is measured against."""
