#!/usr/bin/env python3
"""Sets cdim up in .venv and runs it; needs only Python 3.10+ and a network.

python3 start.py demo            make a gallery of made-up products and find them by sketch
python3 start.py cdim VERB ...   any other verb of cdim: index, search, serve, ...
python3 start.py test            every check: style, types, import rule, tests; --full for all tests

The first start installs cdim in .venv; later starts are quick.
"""

# Only syntax that old interpreters parse, so that they reach the message in check_python().
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
EXTRAS = {"demo": "", "cdim": "", "test": "train,dev"}
COMMANDS = {
    "demo": ["-m", "cdim", "demo"],
    "cdim": ["-m", "cdim"],
    "test": [str(ROOT / "tools" / "check.py")],
}


class SetupError(Exception):
    """Setting up failed; the message is the line to print."""


def check_python():
    """Refuses an interpreter that cdim does not support."""
    if sys.version_info < (3, 10):  # noqa: UP036 - the reason for this function
        raise SetupError(
            "this is Python {}.{}; cdim needs 3.10 or newer; run start.py with a newer one, "
            "for example: python3.12 start.py demo".format(*sys.version_info[:2])
        )


def make_venv():
    """Makes .venv, or says what the system lacks."""
    if PYTHON.exists() and subprocess.call([str(PYTHON), "-c", "import pip"]) == 0:
        return
    shutil.rmtree(str(VENV), ignore_errors=True)
    say("making .venv")
    done = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode == 0:
        return
    shutil.rmtree(str(VENV), ignore_errors=True)
    output = done.stdout.decode(errors="replace").strip()
    if "ensurepip" in output or "No module named" in output:
        raise SetupError(
            "this Python has no working venv and ensurepip; cdim sets itself up in one; "
            "on Debian and Ubuntu: sudo apt install python3-venv"
        )
    raise SetupError(
        f"cannot make {VENV}; it needs a writable folder with free space; Python said: "
        + (output.splitlines() or ["nothing"])[-1]
    )


def install(extras):
    """Installs the project with its extras, once per version of pyproject.toml."""
    stamp = VENV / "cdim-{}".format(extras.replace(",", "-") or "base")
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    large = "PyTorch is large (up to 5 GB), " if "train" in extras else ""
    project = str(ROOT) + ("[" + extras + "]" if extras else "")
    say("installing cdim" + project[len(str(ROOT)) :] + "; " + large + "this happens once")
    for command in (
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"],
        ["-m", "uv", "pip", "install", "--quiet", "--python", str(PYTHON), "--editable", project],
    ):
        if subprocess.call([str(PYTHON), *command], cwd=str(ROOT)) != 0:
            raise SetupError(
                "installing failed, the lines above say why; it needs a network and free space "
                "(about 8 GB with PyTorch, else 1); run the same command again to continue"
            )
    stamp.write_text(wanted)


def say(line):
    """One line of progress, in order with what the commands print."""
    print("start.py: " + line, flush=True)


def main(arguments):
    """Runs one command and returns its exit code."""
    if not arguments or arguments[0] not in COMMANDS:
        print(__doc__.strip())
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    verb = arguments[0]
    try:
        check_python()
        make_venv()
        install(EXTRAS[verb])
        return subprocess.call([str(PYTHON), *COMMANDS[verb], *arguments[1:]])
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; run the same command again to continue", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
