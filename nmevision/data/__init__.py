"""Images, splits, transforms and public sets."""
