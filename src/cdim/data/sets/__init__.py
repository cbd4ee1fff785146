"""Known datasets and layouts, each read as it was released."""
