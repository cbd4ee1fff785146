from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from cdim.cli import cdim

TINY = """
name = "tiny"
[data]
train = ["synthetic:18"]
validation = 0.0
[input]
resize = [120, 120]
crop = [111, 111]
[loss]
negatives = "in-batch"
[loop]
batch = 2
steps = 2
evaluate_every = 1
"""


@pytest.fixture
def call():
    """Runs a command line in this process."""
    return lambda *arguments: CliRunner().invoke(cdim, [str(a) for a in arguments])


@pytest.fixture
def shell(tmp_path):
    """Runs a command line in a process of its own, in an empty folder."""

    def run(*arguments, **options):
        return subprocess.run(
            [sys.executable, "-m", "cdim", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            **options,
        )

    return run


@pytest.fixture(scope="session")
def tiny_recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_run(tiny_recipe, tmp_path_factory):
    """The folder of a model trained for two steps."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    arguments = ["train", tiny_recipe, "--out", folder, "--device", "cpu"]
    done = CliRunner().invoke(cdim, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    return folder
