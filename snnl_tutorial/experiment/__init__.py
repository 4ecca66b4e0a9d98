"""Data, models and runs: the loss at work."""
