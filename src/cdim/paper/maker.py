"""Rows of results from models: trained if they are missing, judged once, and kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdim.api import load
from cdim.errors import UsageError, training_extra
from cdim.judge.options import PLAIN, EvalOptions
from cdim.judge.report import Report
from cdim.judge.split import judge, open_test
from cdim.paper.agreement import Agreement, between, merge_agreements, read_agreements
from cdim.paper.plan import Plan, Row, quick_row, read_plan
from cdim.paper.results import merge_results, pool, read_results, write_page, write_results
from cdim.paper.row import ResultRow, write_list

if TYPE_CHECKING:
    from cdim.judge.split import EvalSplit, TrainedModel
    from cdim.learn.rivals.rivals import Name

FEW = 40
"""Instances that a quick look judges."""
RUNS = Path("runs")
ALL = "all"
Told = Callable[[str], None]


def _silent(_line: str) -> None:
    pass


def reproduce(
    table: str,
    names: Sequence[str] = (),
    *,
    quick: bool = False,
    listed: Path = Path("docs", "reproduce.toml"),
    file: Path = Path("docs", "results.json"),
    data: Path | None = None,
    device: str = "auto",
    told: Told = _silent,
) -> Path:
    """Makes rows of the paper's tables: trains missing models, judges, compares, writes.

    Args:
        table: its number, or "all".
        names: these rows of the table alone; () for all but those with needs of their own.
        quick: two steps, one seed, few images, in a folder of their own: does all of it run?
        listed: the list of rows, see `cdim.paper.plan`.
        file: the rows of results; agreements and the page are written beside it.
        data, device, told: as for `Maker`.

    Returns:
        The page.

    Raises:
        CdimError: a wrong list or file of results, or what `Maker.row` raises.
    """
    plan, rows = read_plan(listed), read_results(file)
    runs, found = RUNS, read_agreements(file.with_name("agreement.json"))
    tables = plan.tables if table == ALL and not names else [table]
    wanted = [row for each in tables for row in plan.of(each, names)]
    if quick:
        wanted = [quick_row(row) for row in wanted]
        plan, runs, file = plan.quick(), RUNS / "quick", RUNS / "quick" / "results.json"
        rows, found = [row for row in rows if row.source == "published"], []
        runs.mkdir(parents=True, exist_ok=True)
    maker = Maker(plan, runs, data, device, quick, told)
    for row in wanted:
        needs = plan.models[row.model].needs
        if needs and not names:
            told(f"left out: {row.row}, which needs {needs}: {row.command}")
            continue
        for dataset in row.datasets:
            rows = merge_results(rows, maker.row(row, dataset))
            write_results(file, rows)
    for each in dict.fromkeys(row.table for row in wanted):
        found = merge_agreements(found, maker.agreements(each, rows))
    write_list(file.with_name("agreement.json"), found)
    return write_page(file, plan)


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
    device: str = "auto",
    how: EvalOptions = PLAIN,
) -> Path:
    """Judges runs or bundles, one a training seed, and writes them as one row of results.

    Args:
        file: the rows; one of the same name, table, dataset and model is replaced.
        dataset: a name or a path.
        models: runs or bundles.
        row, table, recipe: the row's fields.
        command: what to type to get the row; None for training and judging each run.
        data, split, device, how: as for `cdim.judge.split.open_test` and `cdim.api.load`.

    Returns:
        The page, which is written anew.

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
    write_results(file, merge_results(read_results(file), new))
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


@dataclass(frozen=True)
class Maker:
    """Where models lie and how they are made.

    Args:
        plan: what to make.
        runs: the folder of runs; reports are kept in its folder `reports`.
        data: where datasets are; None reads CDIM_DATA.
        device: as for `cdim train`.
        few: whether to judge on `FEW` instances alone.
        told: called with a line for each model in the making.
    """

    plan: Plan
    runs: Path
    data: Path | None
    device: str
    few: bool = False
    told: Told = _silent

    def row(self, row: Row, dataset: str) -> ResultRow:
        """The row of results on a dataset: trained where it is missing, and judged.

        Raises:
            CdimError: a dataset or weights are missing, or a run of that name is of another recipe.
        """
        reports, about = self.reports(row, dataset)
        return pool(
            reports,
            row=row.row,
            table=row.table,
            split="test",
            recipe=self.plan.models[row.model].recipe or None,
            command=row.command,
            **about,
        )

    def agreements(self, table: str, rows: Sequence[ResultRow]) -> list[Agreement]:
        """The table's comparisons of rows that have been made, now or before."""
        made: dict[tuple[str, str, str], tuple[Row, list[Report]]] = {}
        for row in self.plan.of(table):
            for dataset in row.datasets:
                reports = self.kept(row, dataset)
                if reports is not None:
                    made[row.row, dataset, row.multi_query] = (row, reports)
        found = []
        for pair in (pair for pair in self.plan.comparisons if pair.table == table):
            for (name, dataset, views), (row, reports) in made.items():
                other = made.get((pair.against, dataset, views))
                if name == pair.row and other is not None:
                    found += between(row, other[0], (reports, other[1]), rows)
        return found

    def reports(self, row: Row, dataset: str) -> tuple[list[Report], dict[str, Any]]:
        """The reports of a row on a dataset, one a seed, and the fields of its row of results.

        Raises:
            CdimError: a dataset or weights are missing, or a run of that name is of another recipe.
        """
        kept = [self._report(row, dataset, seed) for seed in self.plan.seeds(row)]
        return [report for report, _ in kept], kept[0][1]

    def kept(self, row: Row, dataset: str) -> list[Report] | None:
        """The earlier reports, None where one is missing or out of date."""
        seeds = self.plan.seeds(row)
        found = [self._kept(row, dataset, seed) for seed in seeds]
        return [one[0] for one in found if one] if all(found) else None

    def _stem(self, row: Row, dataset: str, seed: int) -> Path:
        how = "".join(f"-{word}" for word in (row.multi_query, *row.join) if word)
        name = f"{dataset.replace('/', '_')}{how}"
        return self.runs / "reports" / f"{row.model}-{seed}" / name

    def _kept(self, row: Row, dataset: str, seed: int) -> tuple[Report, dict[str, Any]] | None:
        """A report of the same recipe, of a run that is not newer or not here any more."""
        stem = self._stem(row, dataset, seed)
        noted = _note(stem)
        if not noted.is_file() or _made(self._folder(row, seed)) > noted.stat().st_mtime:
            return None
        note = json.loads(noted.read_text(encoding="utf-8"))
        if _whole(note["model"]) != self._described(row, seed):
            return None
        return Report.load(stem), note["about"]

    def _report(self, row: Row, dataset: str, seed: int) -> tuple[Report, dict[str, Any]]:
        from cdim.data.sets.catalogue import open_dataset

        if kept := self._kept(row, dataset, seed):
            return kept
        how = EvalOptions(multi_query=row.multi_query or None, join=row.join)
        test = open_test(open_dataset(dataset, self.data), "test", how)
        test = _few(test) if self.few else test
        model, place = self.plan.models[row.model], self._make(row, seed)
        self.told(f"{row.model}-{seed} on {dataset}")
        if model.rival:
            report, told = self._rival(model.rival, test, seed, place)
        else:
            made = load(place, "auto" if model.dim else self.device, how)
            report, told = judge(made, test), about(made, how)
        stem = self._stem(row, dataset, seed)
        stem.parent.mkdir(parents=True, exist_ok=True)
        report.save(stem)
        note = {"model": self._described(row, seed), "about": told}
        _note(stem).write_text(json.dumps(note), encoding="utf-8")
        return report, told

    def _folder(self, row: Row, seed: int) -> Path:
        return self.runs / f"{row.model}-{seed}"

    def _described(self, row: Row, seed: int) -> dict[str, Any]:
        """All that a model was made by, as plain values."""
        with training_extra():
            from cdim.learn.recipes.recipe import read_recipe
        model = self.plan.models[row.model]
        recipe = None
        if model.recipe:
            recipe = read_recipe(Path(model.recipe), model.overrides(seed), seed).to_dict()
        return {"rival": model.rival, "recipe": recipe, "dim": model.dim, "head": model.head}

    def _rival(
        self, name: Name, test: EvalSplit, seed: int, run: Path
    ) -> tuple[Report, dict[str, Any]]:
        from cdim.judge.evaluate import evaluate_distances

        with training_extra():
            from cdim.learn.rivals import rivals
        rival = rivals.fit(name, test.dataset, self.data, seed, run)
        report = evaluate_distances(
            rival.distances(test.query, test.gallery),
            test.query,
            test.gallery,
            dataset=test.dataset,
            protocol=test.protocol,
            triplets=test.triplets,
            seed=seed,
        )
        self.told(f"  triplets of {rival.teacher}, C = {rival.cost:g}")
        about = {"backbone": rival.backbone, "dim": rival.dim, "fusion": None, "params": None}
        return report, about

    def _make(self, row: Row, seed: int) -> Path:
        """The finished run, or its bundle; a rival that trains no network has an empty place."""
        model, folder = self.plan.models[row.model], self._folder(row, seed)
        recipe = Path(model.recipe)
        if not model.recipe:
            return folder
        from cdim.bundles.heads.kinds import read_head

        with training_extra():
            from cdim.learn.export import export
            from cdim.learn.recipes.recipe import read_recipe
            from cdim.learn.training import run
            from cdim.learn.training.loop import is_over
        overrides = model.overrides(seed)
        wanted, noted = read_recipe(recipe, overrides, seed), folder / "recipe.toml"
        if noted.is_file() and read_recipe(noted) != wanted:
            raise UsageError(
                f"{folder} holds a run of another recipe",
                f"it is to be trained by {recipe} {' '.join(overrides)}".rstrip(),
                "move it away",
            )
        if not is_over(folder):
            resume = (folder / "last.safetensors").exists()
            run.train(recipe, overrides, self.data, folder, self.device, resume, seed)
        if not model.dim:
            return folder
        bundle = folder.with_name(f"{folder.name}-bundle")
        if not bundle.is_dir():
            head = read_head(model.head) if model.head else None
            export.export(folder, bundle, dim=model.dim, head=head, data=self.data)
        return bundle


def about(model: TrainedModel, how: EvalOptions) -> dict[str, Any]:
    """A row's fields about a model. A graph's constants do not count as parameters."""
    from cdim.bundles.encoder import Encoder

    if isinstance(model, Encoder):
        made = model.bundle
        said = {"backbone": made.backbone, "dim": made.dim, "fusion": list(made.taps)}
        return {**said, "params": None}
    run: Any = model
    return {
        "backbone": run.recipe.model.backbone,
        "dim": run.dim,
        "fusion": [*run.recipe.fusion.taps, *how.joined],
        "params": sum(weights.numel() for weights in run.parameters()),
    }


def _note(stem: Path) -> Path:
    """The note beside a report: the model's recipe, and a row's fields about it."""
    return stem.with_name(f"{stem.name}.model.json")


def _whole(described: dict[str, Any]) -> dict[str, Any]:
    """The note of a model; keys younger than the note have their defaults."""
    with training_extra():
        from cdim.learn.recipes.recipe import parse_recipe
    given = described["recipe"]
    return {**described, "recipe": given and parse_recipe(given).to_dict()}


def _made(place: Path) -> float:
    """When a run or bundle was finished, in seconds; 0 where there is none."""
    return max((file.stat().st_mtime for file in place.glob("*")), default=0.0)


def _few(test: EvalSplit) -> EvalSplit:
    """The first few instances alone."""
    import numpy as np

    names = np.unique(test.query.instance)[:FEW]
    query, gallery = (s.take(np.isin(s.instance, names)) for s in (test.query, test.gallery))
    views = test.views and test.views.take(np.isin(test.views.instance, names))
    return replace(test, query=query, gallery=gallery, views=views, triplets=None)
