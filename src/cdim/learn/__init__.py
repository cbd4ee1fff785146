"""Training: the only part of cdim that needs torch (`pip install 'cdim[train]'`)."""
