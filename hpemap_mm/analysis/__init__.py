"""What the errors say: distributions, definition offsets, mixtures, and the report."""
