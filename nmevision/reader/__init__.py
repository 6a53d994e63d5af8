"""The page that a person reads: predictions, images and the reasoning in one file that opens from disk."""
