"""A trained model to write with, at any strength: what the Python API and the chat use."""
