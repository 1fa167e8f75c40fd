"""The folder of a run: what its files are called, whose they are, and who may write there."""
