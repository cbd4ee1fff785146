"""Where a gallery keeps its items: a folder, or a Qdrant server."""
