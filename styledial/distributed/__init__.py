"""Processes of one run: ranks, agreement over the CPU process group, sharded tensors."""
