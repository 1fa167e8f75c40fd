"""Which text is held out, to measure style and KL on."""
