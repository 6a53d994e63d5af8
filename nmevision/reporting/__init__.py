"""Figures, reports and cards: what a person reads."""
