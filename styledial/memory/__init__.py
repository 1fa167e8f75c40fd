"""Estimate of the memory a run needs, before it starts: see docs/memory.md."""
