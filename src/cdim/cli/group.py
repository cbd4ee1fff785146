"""The group of verbs, each in its own module, imported when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import click

from cdim.cli.failures import VerbGroup, one_line
from cdim.cli.printing import escape_what_cannot_be_printed
from cdim.version import __version__

# verb: (module and attribute, line in `cdim --help`)
VERBS = {
    "demo": ("cdim.cli.demo:demo", "Index made-up products, and find them by sketch."),
    "index": ("cdim.cli.index:index", "Make a gallery of images, or update it."),
    "search": ("cdim.cli.search:search", "Search a gallery with a drawing or a photo."),
    "check": ("cdim.cli.check:check", "Say whether a gallery is what was written."),
    "serve": ("cdim.cli.serve:serve", "Serve a gallery to browsers and programs."),
    "adapt": ("cdim.cli.adapt:adapt", "Fit a bundle to your own pairs."),
    "data": ("cdim.cli.data:data", "List the known datasets, and check one."),
    "eval": ("cdim.cli.eval:evaluate", "Judge a trained model on a dataset."),
    "train": ("cdim.cli.train:train", "Train a model by a recipe."),
    "export": ("cdim.cli.export:export", "Write a trained model as a bundle, without PyTorch."),
    "atlas": ("cdim.cli.atlas:atlas", "Find the layers of a network to fuse."),
    "show": ("cdim.cli.show:show", "Look inside a trained model."),
    "reproduce": ("cdim.cli.reproduce:reproduce", "Make the rows of a table of the paper."),
    "results": ("cdim.cli.results:results", "Keep docs/results.md in step with results.json."),
}


class Verbs(VerbGroup):
    """A group whose help needs none of the verbs' modules, and whose errors are one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The verbs in the order a newcomer meets them."""
        return list(VERBS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        """The verb's command, imported now."""
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        """The list of verbs, without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs a command line; on its own, every failure is one line and an exit code."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        escape_what_cannot_be_printed()
        with one_line():
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            raise SystemExit(code if isinstance(code, int) else 0)


@click.group(
    cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(__version__, prog_name="cdim", message="%(prog)s %(version)s")
def cdim() -> None:
    """Finds the same thing across visual domains: draw a shoe, get that exact shoe."""


def main() -> None:
    """The entry point of the command `cdim` and of `python -m cdim`."""
    cdim(prog_name="cdim")
