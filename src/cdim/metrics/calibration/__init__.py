"""From distances to probabilities, and how far to trust them."""
