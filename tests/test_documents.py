"""What the documents tell people to type exists and parses."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cdim.cli import cdim

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("recipes/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def shell_lines(text):
    for language, block in FENCE.findall(text):
        if language in ("bash", "sh"):
            yield from block.replace("\\\n", " ").splitlines()


def calls(line):
    """The cdim commands of a shell line, also inside loops and backticks."""
    for part in re.split(r"[;&|`]|\bdo\b", line):
        if "cdim " not in part:  # such as one of the lines of a long JSON argument
            continue
        words = shlex.split(part.replace("python3 start.py cdim ", "cdim "), comments=True)
        while words and re.fullmatch(r"\w+=.*", words[0]):
            words = words[1:]
        if words[:1] == ["cdim"]:
            yield words[1:]


def parse(arguments):
    """Parses as click would, through every group, without running anything."""
    command, name = cdim, "cdim"
    context = command.make_context(name, list(arguments), resilient_parsing=False)
    while isinstance(command, click.Group) and (rest := [*context._protected_args, *context.args]):
        name, command, left = command.resolve_command(context, rest)
        arguments = ["1" if a.startswith("$") else a for a in left]
        context = command.make_context(name, arguments, parent=context)
    return context


def documented():
    lines = [(d.name, line) for d in DOCUMENTS for line in shell_lines(d.read_text("utf-8"))]
    return [(name, call) for name, line in lines for call in calls(line)]


@pytest.mark.parametrize(("document", "arguments"), documented())
def test_commands_of_the_documents_parse(document, arguments):
    if "--help" not in arguments:
        parse(arguments)
    for word in arguments:
        if word.startswith("recipes/"):
            assert (ROOT / word).is_file(), f"{document}: there is no {word}"


def test_commands_of_the_results_parse():
    rows = json.loads((ROOT / "docs" / "results.json").read_text("utf-8"))
    for command in {row["command"] for row in rows} - {None}:
        for arguments in calls(command):
            parse(["1" if a == "$seed" else a for a in arguments])


def test_a_command_that_does_not_exist_is_noticed():
    with pytest.raises(click.UsageError):
        parse(["train", "recipes/x.toml", "--sed", "1"])


def test_the_page_of_results_is_up_to_date():
    from cdim.paper.agreement import notes, read_agreements
    from cdim.paper.plan import read_plan
    from cdim.paper.results import read_results, render

    rows = read_results(ROOT / "docs" / "results.json")
    plan = read_plan(ROOT / "docs" / "reproduce.toml")
    below = notes(rows, plan, read_agreements(ROOT / "docs" / "agreement.json"))
    assert (ROOT / "docs" / "results.md").read_text("utf-8") == render(rows, below)


@pytest.mark.parametrize("name", ["results.json", "agreement.json"])
def test_written_files_of_results_are_the_files_that_were_read(name, tmp_path):
    from cdim.paper.agreement import read_agreements
    from cdim.paper.results import read_results
    from cdim.paper.row import write_list

    read = read_results if name == "results.json" else read_agreements
    write_list(tmp_path / name, read(ROOT / "docs" / name))
    assert (tmp_path / name).read_bytes() == (ROOT / "docs" / name).read_bytes()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_lead_somewhere(document):
    for target in LINK.findall(document.read_text("utf-8")):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_readme_opens_with_commands_of_start_py():
    text = (ROOT / "README.md").read_text("utf-8")
    first = next(body for language, body in FENCE.findall(text) if language == "bash")
    lines = first.splitlines()
    assert lines[0] == "python3 start.py demo"
    assert all(line.startswith("python3 start.py cdim ") for line in lines[1:])
    assert "python3 start.py test" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert "start.py test" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_python_of_the_readme_runs_and_prints_what_it_shows(tmp_path, monkeypatch, capsys):
    from PIL import Image

    from cdim.data import images
    from cdim.find.gallery import Gallery

    demo = tmp_path / "runs" / "demo"
    for folder in (tmp_path / "photos", demo):
        folder.mkdir(parents=True)
    for number in range(3):
        photo = Image.fromarray(images.read(f"synthetic:shoe/1/{number}/photo"))
        photo.save(tmp_path / "photos" / f"{number}.png")
    for sketch in (tmp_path / "sketch.png", demo / "sketch.png"):
        Image.fromarray(images.read("synthetic:shoe/1/1/sketch/0/0")).save(sketch)
    with Gallery.open(demo / "gallery", "default", create=True) as gallery:
        names = ["black sneaker 001", "red sneaker 002", "grey sneaker 003"]
        gallery.add([tmp_path / "photos" / f"{number}.png" for number in range(3)], names)
    monkeypatch.chdir(tmp_path)
    blocks = FENCE.findall((ROOT / "README.md").read_text("utf-8"))
    scripts = [body for language, body in blocks if language == "python"]
    shown = next(body for language, body in blocks if language == "text")
    printed = []
    for script in scripts:
        exec(compile(script, "README.md", "exec"), {})
        printed.append(capsys.readouterr().out)
    assert form(printed[0]) == form(shown)
    assert "acc@1" in printed[-1]


def form(table):
    """What stays of a printed table of hits when the gallery is another."""
    return [re.sub(r"[\d,]+", "0", line).split()[:4] for line in table.splitlines()]


def test_the_references_are_up_to_date():
    check = [sys.executable, ROOT / "tools" / "reference.py", "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def verbs(group, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, name))
        else:
            yield pytest.param(command, id="-".join((*path, name)))


@pytest.mark.parametrize("command", list(verbs(cdim)))
def test_the_help_of_a_verb_keeps_its_examples_in_lines(command):
    text = command.get_help(click.Context(command))
    assert "\\b" not in text
    assert all(line.strip().count("cdim ") <= 1 for line in text.splitlines())
