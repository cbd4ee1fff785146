"""Writes docs/cli.md and docs/api.md from the code: python tools/reference.py [--check].

With --check nothing is written: pages that are out of date are named, and the exit code is 1.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

import cdim
from cdim.cli.group import cdim as command

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOTE = "`python tools/reference.py` writes this page from the code.\n"
WIDTH = 96
SECTION = re.compile(r"(Args|Attributes|Examples?|Raises|Returns|Yields|Note|Notes):")


def verbs(
    verb: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """A command and every one below it, each with its help as `--help` prints it."""
    context = click.Context(
        verb, parent, name, terminal_width=WIDTH, **(verb.context_settings if not parent else {})
    )
    yield context.command_path, verb.get_help(context)
    if isinstance(verb, click.Group):
        for below in verb.list_commands(context):
            yield from verbs(verb.get_command(context, below), below, context)


def cli_page() -> str:
    """The command line, verb by verb."""
    text = [f"# Command line\n\n{NOTE}"]
    text += [f"\n## `{name}`\n\n```text\n{help_}\n```\n" for name, help_ in verbs(command, "cdim")]
    return "".join(text)


def prose(thing: object) -> str:
    """A docstring in Markdown: sections become lists, examples become code."""
    lines: list[str] = []
    fenced = listed = False
    for line in (inspect.getdoc(thing) or "").splitlines():
        code = line.lstrip().startswith((">>>", "...")) or (fenced and bool(line.strip()))
        if code != fenced:
            lines += ["```pycon"] if code else ["```"]
            fenced = code
        if code:
            lines.append(line.strip())
        elif SECTION.fullmatch(line):
            lines += [f"*{line}*", ""]
            listed = True
        elif listed and re.match(r"    \w[\w.]*(, \*{0,2}\w+)*: ", line):
            name, _, rest = line.strip().partition(": ")
            lines.append(f"- `{name}`: {rest}")
        elif listed and line.startswith("    "):
            lines.append(f"  {line.strip()}" if line.startswith("        ") else line.strip())
        else:
            lines.append(line)
    return "\n".join([*lines, "```"] if fenced else lines)


def signature(name: str, thing: object) -> str:
    """A call as one writes it, with types."""
    try:
        shape = str(inspect.signature(thing))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        shape = ""
    shape = (
        re.sub(r"""(: |-> )(?:'([^']*)'|"([^"]*)")""", r"\1\2\3", shape)
        .replace("(self, ", "(")
        .replace("(self)", "()")
    )
    return f"```python\n{name}{shape}\n```\n"


def members(kind: type) -> Iterator[tuple[str, object]]:
    """The public methods and properties that cdim's own classes define."""
    for name, member in inspect.getmembers_static(kind):
        owner = next(k for k in kind.__mro__ if name in vars(k))
        if name.startswith("_") or not owner.__module__.startswith("cdim."):
            continue
        if callable(member) or isinstance(member, (classmethod, staticmethod, property)):
            yield name, member


def is_error(thing: object) -> bool:
    """Whether it is a class of errors."""
    return isinstance(thing, type) and issubclass(thing, BaseException)


def entry(name: str) -> str:
    """A function or a class: signature, docstring, and of a class its methods."""
    thing = getattr(cdim, name)
    text = [f"\n## `{name}`\n\n{signature(name, thing)}\n{prose(thing)}\n"]
    for called, member in members(thing) if isinstance(thing, type) else ():
        text.append(f"\n### `{name}.{called}`\n\n")
        if not isinstance(member, property):
            text.append(signature(called, getattr(thing, called)) + "\n")
        text.append(prose(member) + "\n")
    return "".join(text)


def api_page() -> str:
    """What `import cdim` gives: functions, classes, errors."""
    names = [name for name in cdim.__all__ if not name.startswith("__")]
    things = {name: getattr(cdim, name) for name in names}
    shown = sorted(
        (name for name in names if not is_error(things[name])),
        key=lambda name: (isinstance(things[name], type), name),
    )
    return (
        f"# Python\n\n{NOTE}"
        + "".join(map(entry, shown))
        + f"\n## Errors\n\n```text\n{inspect.getdoc(cdim.errors)}\n```\n"
    )


def main(options: list[str]) -> int:
    """Writes both pages, or names those that are out of date."""
    stale = []
    for path, text in {DOCS / "cli.md": cli_page(), DOCS / "api.md": api_page()}.items():
        text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
        if not path.is_file() or path.read_text("utf-8") != text:
            stale.append(path.name)
            if "--check" not in options:
                path.write_text(text, "utf-8")
    if "--check" in options and stale:
        print(f"out of date: {', '.join(stale)}; run: python tools/reference.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
