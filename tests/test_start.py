"""start.py says in one line what a machine lacks."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
from pathlib import Path

import pytest

START = Path(__file__).resolve().parent.parent / "start.py"


@pytest.fixture
def start(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("start", START)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    return module


def failing(output):
    return lambda *a, **k: subprocess.CompletedProcess(a, 1, output.encode())


def test_old_pythons_can_parse_it():
    ast.parse(START.read_text("utf-8"), feature_version=(3, 7))


def test_an_old_python_is_refused(start, monkeypatch, capsys):
    monkeypatch.setattr(start.sys, "version_info", (3, 8, 10, "final", 0))
    assert start.main(["demo"]) == 1
    message = capsys.readouterr().err
    assert "Python 3.8" in message
    assert "3.10" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("said", ["ensurepip is not available", "No module named venv"])
def test_a_missing_venv_is_explained(start, monkeypatch, capsys, said):
    monkeypatch.setattr(start.subprocess, "run", failing(said))
    assert start.main(["test"]) == 1
    assert "python3-venv" in capsys.readouterr().err
    assert not start.VENV.exists()


def test_a_folder_that_cannot_be_written_is_explained(start, monkeypatch, capsys):
    monkeypatch.setattr(start.subprocess, "run", failing("Error: [Errno 28] No space left"))
    assert start.main(["test"]) == 1
    assert "No space left" in capsys.readouterr().err


def test_failing_to_install_is_explained_and_tried_again(start, monkeypatch, capsys):
    start.PYTHON.parent.mkdir(parents=True)
    start.PYTHON.touch()
    monkeypatch.setattr(start.subprocess, "call", lambda c, **k: int("pip" in c))
    assert start.main(["demo"]) == 1
    assert "installing failed" in capsys.readouterr().err
    assert not list(start.VENV.glob("cdim-*"))


def test_it_installs_once_and_hands_on_options_and_exit_code(start, monkeypatch):
    start.PYTHON.parent.mkdir(parents=True)
    start.PYTHON.touch()
    commands = []

    def call(command, **_options):
        commands.append(command[1:])
        return 5 if "cdim" in command else 0

    monkeypatch.setattr(start.subprocess, "call", call)
    assert start.main(["demo", "--out", "x"]) == 5
    assert commands[-1] == ["-m", "cdim", "demo", "--out", "x"]
    first = len(commands)
    assert start.main(["demo"]) == 5
    assert len(commands) - first == 2  # is pip there, and the demo


def test_every_verb_of_cdim_runs_through_it(start, monkeypatch):
    start.PYTHON.parent.mkdir(parents=True)
    start.PYTHON.touch()
    commands = []
    monkeypatch.setattr(start.subprocess, "call", lambda c, **k: commands.append(c[1:]) or 0)
    assert start.main(["cdim", "serve", "runs/demo/gallery"]) == 0
    assert commands[-1] == ["-m", "cdim", "serve", "runs/demo/gallery"]


def test_nothing_asked_shows_how(start, capsys):
    assert start.main([]) == 2
    assert "start.py demo" in capsys.readouterr().out
