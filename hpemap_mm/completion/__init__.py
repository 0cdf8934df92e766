"""One dataset with every representation for every image."""
