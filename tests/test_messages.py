"""What the library says to a reader who may be in Python, in a browser or on the command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import cdim
from cdim.cli import cdim as group

ROOT = Path(cdim.__file__).parent
COMMANDS = {
    "learn/atlas/configuration.py",
    *("paper/add.py", "paper/plan.py", "paper/results.py"),
}
"""Modules that write command lines: those of a row of results, and of an atlas's recipe."""
LIBRARY = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if path.relative_to(ROOT).parts[0] != "cli"
    and path.relative_to(ROOT).as_posix() not in COMMANDS
]
OPTION = re.compile(
    r"(?<!pip install )(?<![\w-])--[a-z]|(?:^|[ `])-[a-z]\b(?!-)"
    r"|`cdim [a-z]|\bcdim (?:index|train|export) "
)


def sentences(path: Path) -> list[tuple[int, str]]:
    """All strings of a module but its docstrings, with their lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documents
    ]


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_library_speaks_of_parameters_and_not_of_options(path):
    assert [(line, text) for line, text in sentences(path) if OPTION.search(text)] == []


def test_option_syntax_is_found(tmp_path):
    (tmp_path / "m.py").write_text('"""--dim in a docstring."""\nraise E(f"{a} --dim {b}", "-o")\n')
    assert {t for _, t in sentences(tmp_path / "m.py") if OPTION.search(t)} == {" --dim ", "-o"}


def test_every_parameter_that_an_error_names_is_an_option():
    named = {
        keyword.value.value
        for path in LIBRARY
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "argument" and isinstance(keyword.value, ast.Constant)
    }
    assert len(named) > 10
    assert named <= {option.name for command in commands(group) for option in command.params}


def commands(command: click.Command) -> Iterator[click.Command]:
    """All verbs and what is below them."""
    yield command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from commands(below)
