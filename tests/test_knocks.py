"""Hostile inputs of every kind, of `tools/knocks`: a few here, more of them with `--full`."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from random import Random

import pytest

from cdim.errors import CdimError

KNOCKS = Path(__file__).resolve().parent.parent / "tools" / "knocks"
# What imports PyTorch, or damages the engine of a gallery, runs in processes of its own alone.
KINDS = ["decoder", "search", "svg", "strokes", "csv", "mat", "npz", "zips", "bundle"]
EACH = 2


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(KNOCKS)
        module = import_module("hostile")
        yield module, module.Home(tmp_path_factory.mktemp("home"))
    sys.modules.pop("hostile")


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_inputs_are_read_or_refused(hostile, kind):
    module, home = hostile
    for number in range(EACH):
        here = home.folder / f"{kind}-{number}"
        here.mkdir()
        with suppress(CdimError):
            module.KINDS[kind](Random(f"{kind} 0 {number}"), home, here)()


@pytest.mark.full
def test_half_a_minute_of_inputs_leaves_no_fault():
    words = [sys.executable, KNOCKS / "inputs.py", "--minutes", "0.5", "--count", "20000"]
    only = [word for kind in KINDS for word in ("--only", kind)]
    done = subprocess.run([*words, *only], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
