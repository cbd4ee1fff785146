"""`cdim atlas`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cdim.cli import options
from cdim.cli.failures import Verb
from cdim.cli.printing import say
from cdim.cli.progress import progress_bars
from cdim.errors import training_extra


@click.command(cls=Verb)
@click.argument("model", type=options.PATH)
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")
@options.out("The atlas's folder.")
@options.several(
    "--tap", "taps", "TAP", "A map to judge. Repeatable [default: every block of the network]."
)
@options.several(
    "--treatment",
    "treatments",
    "NAME",
    "How vectors are treated before the comparison: none, l2, root, centred or pairs. "
    "Repeatable [default: all].",
)
@click.option(
    "--regularisation", default=1.0, metavar="LAMBDA", help="Regularisation of the head of pairs."
)
@options.count(
    "--budget",
    "Limit of the fusion's dimensions; the default is the limit of a bundle.",
    default=16_384,
    metavar="DIMS",
)
@options.count("--instances", "Use only N instances, drawn by the seed [default: all].")
@options.seed("Seed of the folds.", default=0)
@options.device
@options.data_root
def atlas(
    model: Path, datasets: tuple[str, ...], out: Path, device: str, data: Path | None, **how: Any
) -> None:
    """Find out which layers of MODEL, a run or a recipe, tell instances apart.

    Judges every layer and pooling on folds of the train split of each DATASET, and chooses a
    fusion. Writes a page, a picture, all numbers and a recipe. Trains nothing.

    \b
    cdim atlas recipes/frozen-mobilenet.toml qmul-shoe qmul-chair qmul-handbag -o atlas
    cdim atlas runs/small-fusion-0 qmul-shoe --treatment pairs --budget 4096 -o shoes
    """  # noqa: D301 - click wants the character
    with training_extra():
        from cdim.learn.atlas import survey
    with progress_bars() as progress:
        found = survey.survey(
            model, datasets, out, survey.AtlasOptions(**how), data, device, progress
        )
    choice, gain = found.choice, found.gain
    say(f"chosen: {' + '.join(map(str, choice.cells))}")
    say(f"        {choice.dim:,} dimensions, {choice.words}")
    for words, each in (
        ("such choices, on held-out folds", found.held_out),
        ("the final feature", found.last_layer),
    ):
        e = each.acc_1
        say(f"{words:<34}acc@1 {e.value:.3f} [{e.low:.3f}, {e.high:.3f}]  MRR {each.mrr:.3f}")
    say(
        f"{'difference':<34}acc@1 {gain.difference:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]  "
        f"p = {gain.p:.3g}"
    )
    say(f"look at {out / 'atlas.html'}; a run of it: cdim train {out / 'recipe.toml'}")
