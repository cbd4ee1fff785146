"""Measures of retrieval: pure functions from arrays to arrays, no files, no torch, no state."""
