"""Every check of the project, the same by hand and in CI: python tools/check.py [pytest options].

All of them run, also after one has failed; the tests come last so that their closing line is
the end of the output. The exit code is 1 if any failed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BESIDE = Path(sys.executable).parent  # not resolved: a venv's python is a link out of it

CHECKS = {
    "ruff check": [sys.executable, "-m", "ruff", "check", "."],
    "ruff format": [sys.executable, "-m", "ruff", "format", "--check", "."],
    "mypy": [sys.executable, "-m", "mypy"],
    "import rule": [str(BESIDE / "lint-imports"), "--no-cache", "--no-logo"],
    "pytest": [sys.executable, "-m", "pytest"],
}


def main(options: list[str]) -> int:
    """Runs all checks in order and names the ones that failed."""
    failed = []
    for name, command in CHECKS.items():
        print(f"== {name}", flush=True)
        extra = options if name == "pytest" else []
        if subprocess.call([*command, *extra], cwd=ROOT) != 0:
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
