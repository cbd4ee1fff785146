"""Searching: rank a folder of images against queries. Never imports torch."""
