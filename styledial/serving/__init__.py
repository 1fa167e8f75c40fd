"""`styledial serve`: llama.cpp's server on this machine, with strengths as names of models."""
