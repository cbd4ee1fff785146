"""`python -m cdim` is the command `cdim`."""

from __future__ import annotations

from cdim.cli import main

if __name__ == "__main__":
    main()
