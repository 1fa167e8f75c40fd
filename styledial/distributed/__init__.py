"""Processes of one run: ranks, consensus over the CPU process group, sharded tensors."""
