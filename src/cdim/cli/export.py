"""`cdim export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from cdim.bundles.bundle import Bundle, Precision
from cdim.cli import options
from cdim.cli.failures import Verb
from cdim.cli.printing import say


@click.command(cls=Verb)
@click.argument("run", type=options.PATH)
@options.out("The bundle's folder.")
@options.several(
    "--fold",
    "folds",
    "RUN",
    "A run of the same recipe that held out a part of the data. Repeatable; without it, RUN's "
    "own held-out part serves.",
    type=options.PATH,
)
@options.count("--dim", "Shorten the embedding to N dimensions by a closed-form head.")
@click.option(
    "--head",
    metavar="KIND:STRENGTH",
    help="The head, such as csls:1, pairs:0.3 or components:0.5 [default: the best on "
    "held-out searches].",
)
@options.choice(
    "--precision",
    "fp16 keeps weights in 16 bits and computes in 32. int8 quantises both, if held-out "
    "searches allow it.",
    *get_args(Precision),
    default="fp32",
)
@options.tests
@options.data_root
def export(run: Path, out: Path, **how: Any) -> None:
    """Write the best network of RUN as a bundle, which runs without PyTorch.

    Fails unless graph and network agree on real images. Calibration and the choice
    of the head need images held out of training; without them, the bundle gives no
    probabilities.

    \b
    cdim export runs/demo-0 -o bundles/demo
    cdim export runs/strong-fusion-0 -o bundles/sketch --dim 512 --precision int8 --fold runs/fold-0
    cdim export runs/strong-fusion-1 -o bundles/second --dim 512 --head pairs:0.3
    """  # noqa: D301 - click wants the character
    from cdim.api import export

    made = export(run, out, **how)
    size = sum(p.stat().st_size for p in out.iterdir()) / 1e6
    say(f"{made.name}: {made.dim} dimensions, {made.precision}, {size:.1f} MB in {out}")
    echo_metrics(made)
    if made.calibration is None:
        say("no probabilities: nothing was held out to calibrate them on", err=True)
    say(f"index a folder with it: cdim index photos/ -o gallery --model {out}")


def echo_metrics(made: Bundle) -> None:
    """Prints the measured numbers of a bundle, a line each."""
    for row in made.metrics:
        note = f"  ({row.note})" if row.note else ""
        say(
            f"{row.dataset:<24}{row.metric:<10}{row.value:.3f} [{row.low:.3f}, {row.high:.3f}] "
            f"of {row.queries}{note}"
        )
