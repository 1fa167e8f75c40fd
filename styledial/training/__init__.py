"""The training loop and what an update is made of; takes plain values, not the configuration."""
