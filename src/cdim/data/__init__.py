"""Files on disk become one table, the `Manifest`, and safe pixels."""
