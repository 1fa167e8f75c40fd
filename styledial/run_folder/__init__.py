"""The files of a run: names, ownership, metrics, reading them again."""
