"""Metrics of a tuned model; each is a class: construct, run(), yields result.Result."""
