"""The life of a run: checks, training, conclusion, and a finished run taken up again."""
