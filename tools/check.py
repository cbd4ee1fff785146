"""Every check of the project: python tools/check.py [--full] [pytest options].

All of them run, also after one has failed; the tests come last so that their closing line is
the end of the output. The exit code is 1 if any failed. A process of tests runs on each
processor, at most four; `-n 0` runs them in one. Tests on real benchmarks and networks at full
size run with --full, as in CI.
"""

from __future__ import annotations

import os
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
    "pytest": [
        *(sys.executable, "-m", "pytest"),
        *("-n", "logical", "--maxprocesses", "4"),
        # A file's tests share what one of them trained; files go in the order of the tree.
        *("--dist", "loadfile", "--no-loadscope-reorder"),
    ],
}
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
"""Each process of tests has a processor to itself; PyTorch would take them all in each."""


def main(options: list[str]) -> int:
    """Runs all checks in order and names the ones that failed."""
    failed = []
    full = "--full" in options
    chosen = [option for option in options if option != "--full"]
    for name, command in CHECKS.items():
        print(f"== {name}", flush=True)
        extra = [*([] if full else ["-m", "not full"]), *chosen] if name == "pytest" else []
        if subprocess.call([*command, *extra], cwd=ROOT, env=ONE_THREAD) != 0:
            failed.append(name)
    if not full:
        print("left out: tests of full size; to run them, too: python3 start.py test --full")
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
