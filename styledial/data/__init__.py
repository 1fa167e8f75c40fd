"""Novels in, packed sequences out: read -> split -> tokenise and pack."""
