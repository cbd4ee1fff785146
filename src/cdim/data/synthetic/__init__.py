"""Made-up products with sketches: a dataset that needs no files."""
