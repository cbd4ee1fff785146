"""`cdim adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cdim.cli import options
from cdim.cli.export import echo_metrics
from cdim.cli.failures import Verb
from cdim.cli.printing import say


@click.command(cls=Verb)
@click.argument("bundle")
@click.argument("pairs", nargs=-1, required=True)
@options.out("The new bundle's folder.")
@options.count("--dim", "Dimensions of the embedding [default: 512, or what the pairs allow].")
@options.count("--most", "Use only N instances of the pairs, drawn by --seed.")
@options.seed("Seed of that draw and of the folds.", default=0)
@options.tests
@options.data_root
@options.layout
def adapt(bundle: str, pairs: tuple[str, ...], out: Path, **how: Any) -> None:
    """Fit BUNDLE to PAIRS: write a new bundle with a head solved for in closed form.

    PAIRS are datasets, CSV files or folders with queries and gallery images of the same instances,
    of any two domains. Four instances are needed, a hundred are better. Folds of them measure the
    gain. Needs no PyTorch.

    \b
    cdim adapt default my-pairs.csv -o bundles/mine
    cdim adapt bundles/sketch qmul-shoe -o bundles/shoes --dim 256
    """  # noqa: D301 - click wants the character
    from cdim.bundles.adapt import adapt

    done = adapt(bundle, pairs, out, **how)
    made, gain = done.bundle, done.gain
    size = sum(p.stat().st_size for p in out.iterdir()) / 1e6
    say(f"{made.name}: {made.dim} dimensions, {size:.1f} MB in {out}; {made.projection}")
    echo_metrics(made)
    say(
        f"{done.metric} {100 * gain.difference:+.1f} points [{100 * gain.low:+.1f}, "
        f"{100 * gain.high:+.1f}], p = {gain.p:.2g}"
    )
    if gain.difference < 0 and not done.seen:
        say(
            "the head does not help here: held-out pairs are found less often than before; "
            "give more pairs, or stay with the bundle as it was",
            err=True,
        )
    if done.seen:
        say(
            f"{', '.join(done.seen)}: the model had been trained on these images, so what folds "
            "say is too good, and there are no probabilities; see --test",
            err=True,
        )
    say(f"index a folder with it: cdim index photos/ -o gallery --model {out}")
