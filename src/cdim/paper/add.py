"""A row of results from finished models: the function behind `cdim results add`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cdim.api import load
from cdim.errors import UsageError
from cdim.judge.options import PLAIN, Device, EvalOptions
from cdim.judge.split import judge, open_test
from cdim.paper.maker import about
from cdim.paper.results import merge_results, pool, read_results, write_page
from cdim.paper.row import write_list


def add_row(
    file: Path,
    dataset: str,
    models: Sequence[Path],
    *,
    row: str,
    recipe: str,
    table: str | None = None,
    command: str | None = None,
    data: Path | None = None,
    split: str = "test",
    device: Device = "auto",
    how: EvalOptions = PLAIN,
) -> Path:
    """Judges runs or bundles, one a training seed, and writes them as one row of results.

    A row of the same name, table, dataset and model is replaced, and the page, which is returned,
    is written anew. What judges is as for `cdim.judge.split.open_test` and `cdim.api.load`.

    Args:
        command: what to type to get the row; None for training and judging each run.

    Raises:
        UsageError: bundles without `command`: they do not tell how they were made.
        CdimError: a model, a dataset or the file cannot be used.
    """
    test = open_test(dataset, split, how, data)
    loaded = [load(model, device, how) for model in models]
    if command is None:
        command = _command(recipe, models[0], loaded, dataset, split, how)
    new = pool(
        [judge(each, test) for each in loaded],
        row=row,
        table=table,
        split=split,
        recipe=recipe,
        command=command,
        **about(loaded[0], how),
    )
    write_list(file, merge_results(read_results(file), new))
    return write_page(file)


def _command(
    recipe: str, place: Path, models: list[Any], dataset: str, split: str, how: EvalOptions
) -> str:
    """What trains and judges each seed's run."""
    if not hasattr(models[0], "recipe"):
        raise UsageError(
            f"the bundle {place} without a command",
            "a bundle does not tell how it was made",
            "say what to type to get it and to judge it",
            argument="command",
        )
    seeds = " ".join(str(model.seed) for model in models)
    run = f"runs/{models[0].recipe.name}-$seed"
    words = [f"--split {split}"] if split != "test" else []
    words += [f"--protocol {how.protocol}"] if how.protocol else []
    words += [f"--multi-query {how.multi_query}"] if how.multi_query else []
    words += [f"--expand {how.expand}"] if how.expand else []
    words += ["--rerank"] if how.rerank else []
    words += [f"--join {tap}" for tap in how.join]
    words += [f"--join-pool {how.join_pool}"] if how.join_pool != "average" else []
    words += ["--join-l2"] if how.join_l2 else []
    judged = " ".join([f"cdim eval {run} {dataset}", *words])
    return f"for seed in {seeds}; do cdim train {recipe} --seed $seed; {judged}; done"
