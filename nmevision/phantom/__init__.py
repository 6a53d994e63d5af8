"""Synthetic H&E fields and skin photos with known truth: for demos and tests, never evidence."""
