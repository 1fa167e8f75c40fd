"""What a run needs of memory, known before it starts: see docs/memory.md."""
