"""Models at work: the bundle, its encoder, its card, and heads fitted to pairs. No PyTorch."""
