"""Counting: protocols, evaluation, reports, comparisons."""
