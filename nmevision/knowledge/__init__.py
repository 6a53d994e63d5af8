"""The medicine as data with citations, and the reasoning from graded findings to diagnoses. No torch."""
