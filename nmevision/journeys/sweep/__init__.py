"""Many trainings of one experiment with other values, each a full configuration of its own, compared on validation."""
