"""The base suite on the lowest versions that cdim declares: tools/lowest.py [pytest options].

Run it by hand before a release, and after a change of `dependencies`. It installs them, without
PyTorch, into a venv of its own, and runs the tests of every room but learn, cli and paper. Warnings
are no errors: old versions warn of the newer ones they meet.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = [sys.executable, "-m", "uv"]
TOOLS = (
    *("beartype", "httpx", "httpx2", "hypothesis", "jaxtyping", "pandas", "playwright", "pytest"),
    "scikit-image",
)
ROOMS = ("bundles", "data", "find", "judge", "metrics", "serve")


def main(options: list[str]) -> int:
    """Installs, runs, and gives the tests' exit code."""
    with tempfile.TemporaryDirectory() as made:
        python, lowest = Path(made) / "venv" / "bin" / "python", Path(made) / "lowest.txt"
        into = ["--quiet", "--python", str(python)]
        for step in (
            ["venv", "--quiet", "--python", sys.executable, str(Path(made) / "venv")],
            [
                *("pip", "compile", *into, "--resolution", "lowest-direct"),
                *("--extra", "cluster", "--extra", "openvino"),
                *("--no-header", "--no-annotate", "-o", str(lowest), "pyproject.toml"),
            ],
            ["pip", "install", *into, "-r", str(lowest), *TOOLS],
        ):
            subprocess.run([*UV, *step], cwd=ROOT, check=True)
        print(lowest.read_text())
        tests = [f"tests/{room}" for room in ROOMS]
        command = [str(python), "-m", "pytest", "-q", "-o", "filterwarnings=default", *tests]
        apart = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
        return subprocess.call([*command, "-m", "not full", *options], cwd=ROOT, env=apart)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
