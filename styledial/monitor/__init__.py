"""What is told while a run goes on: screen, metrics, trackers, warnings."""
