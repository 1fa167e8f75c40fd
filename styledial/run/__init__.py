"""The life of a run: prepare, train, conclude; and commands on finished runs."""
