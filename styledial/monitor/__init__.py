"""Progress, metrics and messages during a run."""
