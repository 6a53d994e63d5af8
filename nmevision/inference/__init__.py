"""Running a trained bundle over images."""
