"""The folder of a run: file names, ownership, locking and reading."""
