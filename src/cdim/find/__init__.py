"""Galleries: index, search, "not here". No PyTorch."""
