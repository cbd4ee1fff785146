"""Which layers? Every block x pooling x treatment of a network, from one forward pass."""
