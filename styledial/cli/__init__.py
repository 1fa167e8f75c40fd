"""What the user types. Heavy imports live inside the commands, so that --help is instant."""
