"""StyleDial: teach a language model a writing style, to a strength you choose.

The package is flat and its imports point down only (tests/test_layers.py holds it):

    words, errors, files
    config                       what the user asked for, and where each value came from
    data, models, losses,        the parts: they take tensors, numbers and paths,
    controller, checkpoint, ...  never a config object
    trainer, evaluators,
    generate
    run                          the one place that wires the parts together
    cli                          what the user types
"""

__version__ = "0.1.0"
