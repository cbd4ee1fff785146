"""The plan of the house (docs/architecture.md): few boxes, one way, nothing that stands twice."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "src" / "cdim"
SAME = 6
"""Equal lines in two places that are one piece of code too many."""


@cache
def modules() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in ROOT.rglob("*.py")}


def imported(path: Path, tree: ast.Module) -> set[tuple[str, str]]:
    """(the importing box, the imported box) of one file; a box is a room or a module beside it."""
    own = path.relative_to(ROOT).with_suffix("").parts[0]
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "cdim":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cdim."):
            names.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {a.name.split(".")[1] for a in node.names if a.name.startswith("cdim.")}
    return {(own, name) for name in names if name != own}


def test_the_top_level_is_small_and_goes_one_way():
    edges = set().union(*(imported(path, tree) for path, tree in modules().items()))
    boxes = {box for edge in edges for box in edge}
    assert len(boxes) <= 18
    assert len(edges) <= 75
    graph = defaultdict(set)
    for box, other in edges:
        graph[box].add(other)
    list(TopologicalSorter(graph).static_order())  # raises on a circle
    loose = {path.stem for path in ROOT.glob("*.py")}
    ground = {"errors", "strict", "disk", "version", "api"}
    assert len(loose - ground - {"__init__", "__main__"}) <= 2


def test_no_two_public_classes_share_a_name():
    places = defaultdict(list)
    for path, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_nothing_of_ours_has_to_be_imported_under_another_name():
    renamed = [
        f"{path.relative_to(ROOT)}:{node.lineno} {alias.name} as {alias.asname}"
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "cdim"
        for alias in node.names
        if alias.asname
    ]
    assert renamed == []


def test_no_two_places_share_six_equal_lines():
    places = defaultdict(list)
    for path, tree in modules().items():
        skipped = {
            number
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        }
        lines = [
            (number, text.strip())
            for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
            if number not in skipped
            and any(character.isalnum() for character in text)
            and not text.lstrip().startswith("#")
        ]
        for start in range(len(lines) - SAME + 1):
            run = tuple(text for _, text in lines[start : start + SAME])
            places[run].append(f"{path.relative_to(ROOT)}:{lines[start][0]}")
    twice = {run[0]: where for run, where in places.items() if len(where) > 1}
    assert twice == {}
