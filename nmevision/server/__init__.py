"""A local page and a JSON API over one trained model: drop images on it, read the answers."""
