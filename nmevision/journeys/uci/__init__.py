"""What findings and cited profiles can do on real patients: the UCI Dermatology experiment (KNOWLEDGE, section 4)."""
