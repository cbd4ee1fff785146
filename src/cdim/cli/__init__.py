"""The command `cdim`: parse, call, print. No verb holds logic, and none imports before it runs."""

from __future__ import annotations

from cdim.cli.group import cdim, main

__all__ = ["cdim", "main"]
