"""The life of a run: prepare, train, conclude; and a finished run taken up again."""
