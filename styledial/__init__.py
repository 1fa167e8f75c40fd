"""StyleDial: teach a language model a writing style, to a strength you choose.

Imports point down only; docs/architecture.md shows the packages in that order, from `cli`, what
the user types, over `run`, the life of a run, to `training`, the loop and the loss, and `data`.
"""

__version__ = "0.1.0"
