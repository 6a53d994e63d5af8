"""Whole journeys that need several parts at once: train and test, benchmark."""
