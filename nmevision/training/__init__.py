"""Training, on lightning."""
