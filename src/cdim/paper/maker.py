"""Rows of results from models: trained if they are missing, judged once, and kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdim.api import load
from cdim.errors import UsageError, training_extra
from cdim.judge.options import Device, EvalOptions
from cdim.judge.report import Report
from cdim.judge.split import EvalSplit, TrainedModel, judge, open_test
from cdim.paper.agreement import Agreement, between
from cdim.paper.plan import Plan, Row
from cdim.paper.results import pool
from cdim.paper.row import ResultRow

if TYPE_CHECKING:
    from cdim.learn.rivals.rivals import Name

FEW = 40
"""Instances that a quick look judges."""
Told = Callable[[str], None]


def silent(_line: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Maker:
    """Where models lie and how they are made."""

    plan: Plan  # what to make
    runs: Path  # the folder of runs; reports are kept in its folder `reports`
    data: Path | None  # where datasets are; None reads CDIM_DATA
    device: Device  # as for `cdim train`
    few: bool = False  # whether to judge on `FEW` instances alone
    told: Told = silent  # called with a line for each model in the making

    def row(self, row: Row, dataset: str) -> ResultRow:
        """The row of results on a dataset: trained where it is missing, and judged.

        Raises:
            CdimError: as `reports`.
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
                if reports := self.kept(row, dataset):
                    made[row.row, dataset, row.multi_query] = (row, reports)
        found = []
        for pair in self.plan.comparisons:
            for (name, dataset, views), (row, reports) in made.items():
                other = made.get((pair.against, dataset, views))
                if (pair.table, pair.row) == (table, name) and other:
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
        found = [self._kept(row, dataset, seed) for seed in self.plan.seeds(row)]
        return [one[0] for one in found if one] if all(found) else None

    def _stem(self, row: Row, dataset: str, seed: int) -> Path:
        how = "".join(f"-{word}" for word in (row.multi_query, *row.join) if word)
        name = f"{dataset.replace('/', '_')}{how}"
        return self.runs / "reports" / f"{row.model}-{seed}" / name

    def _kept(self, row: Row, dataset: str, seed: int) -> tuple[Report, dict[str, Any]] | None:
        """A report of the same recipe, of a run that is not newer or not here any more."""
        stem = self._stem(row, dataset, seed)
        noted, finished = _note(stem), self._folder(row, seed).glob("*")
        if not noted.is_file():
            return None
        if any(file.stat().st_mtime > noted.stat().st_mtime for file in finished):
            return None
        note = json.loads(noted.read_text(encoding="utf-8"))
        if _whole(note["model"]) != self._described(row, seed):
            return None
        return Report.load(stem), note["about"]

    def _report(self, row: Row, dataset: str, seed: int) -> tuple[Report, dict[str, Any]]:
        if kept := self._kept(row, dataset, seed):
            return kept
        how = EvalOptions(multi_query=row.multi_query or None, join=row.join)
        test = open_test(dataset, "test", how, self.data)
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
        sides = test.query, test.gallery
        how: Any = {"dataset": test.dataset, "protocol": test.protocol, "triplets": test.triplets}
        report = evaluate_distances(rival.distances(*sides), *sides, **how, seed=seed)
        self.told(f"  triplets of {rival.teacher}, C = {rival.cost:g}")
        backbone = rival.features.backbone
        return report, {"backbone": backbone, "dim": rival.dim, "fusion": None, "params": None}

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
        made, taps = model.bundle, list(model.bundle.taps)
        return {"backbone": made.backbone, "dim": made.dim, "fusion": taps, "params": None}
    run: Any = model
    taps, count = [*run.recipe.fusion.taps, *how.joined], sum(w.numel() for w in run.parameters())
    return {"backbone": run.recipe.model.backbone, "dim": run.dim, "fusion": taps, "params": count}


def _note(stem: Path) -> Path:
    """The note beside a report: the model's recipe, and a row's fields about it."""
    return stem.with_name(f"{stem.name}.model.json")


def _whole(described: dict[str, Any]) -> dict[str, Any]:
    """The note of a model; keys younger than the note have their defaults."""
    with training_extra():
        from cdim.learn.recipes.recipe import parse_recipe
    given = described["recipe"]
    return {**described, "recipe": given and parse_recipe(given).to_dict()}


def _few(test: EvalSplit) -> EvalSplit:
    """The first few instances alone."""
    import numpy as np

    names = np.unique(test.query.instance)[:FEW]
    query, gallery = (s.take(np.isin(s.instance, names)) for s in (test.query, test.gallery))
    views = test.views and test.views.take(np.isin(test.views.instance, names))
    return replace(test, query=query, gallery=gallery, views=views, triplets=None)
