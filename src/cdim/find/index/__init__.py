"""A folder or dataset becomes a gallery, and stays in step with it."""
