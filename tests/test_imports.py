"""The base install has no torch: every module outside `learn` imports without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent / "src"
MODULES = sorted(
    ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
    for path in SRC.rglob("*.py")
    if "learn" not in path.parts
)
# What only the extras [train] and [dev] bring.
EXTRAS = (
    "httpx",
    "jaxtyping",
    "onnxscript",
    "openvino",
    "pandas",
    "playwright",
    "psutil",
    "pytorch_metric_learning",
    "qdrant_client",
    "safetensors",
    "skimage",
    "sklearn",
    "tensorboard",
    "timm",
    "tomli_w",
    "torch",
    "torchvision",
)
WITHOUT_EXTRAS = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS!r}))\n"


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_modules_import_without_the_extras():
    assert "cdim.data.manifest" in MODULES
    done = run(
        "import importlib\nfor name in sys.argv[1:]: importlib.import_module(name)", *MODULES
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["data", "--help"]])
def test_help_starts_without_anything_heavy(arguments):
    code = (
        "import cdim.cli\n"
        "try: cdim.cli.cdim(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'numpy', 'scipy', 'PIL', 'jinja2', 'tqdm'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = run(code, *arguments)
    assert done.returncode == 0, done.stderr
    assert "Usage: " in done.stdout


def test_training_without_the_extra_says_how_to_install_it(tmp_path):
    code = "import cdim.cli\ncdim.cli.cdim(sys.argv[1:], prog_name='cdim')"
    done = run(code, "train", str(tmp_path / "recipe.toml"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'cdim[train]'" in done.stderr


def test_the_package_offers_its_version():
    done = run("import cdim; print(cdim.__version__)")
    assert done.stdout.strip().count(".") == 2
