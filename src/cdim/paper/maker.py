"""Models of `cdim reproduce`: trained if they are missing, judged once, and kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cdim.api import load
from cdim.errors import UsageError, training_extra
from cdim.judge.options import EvalOptions
from cdim.judge.split import judge, open_test

if TYPE_CHECKING:
    from cdim.judge.report import Report
    from cdim.judge.split import EvalSplit, TrainedModel
    from cdim.learn.rivals.rivals import Name
    from cdim.paper.plan import Plan, Row

FEW = 40
"""Instances that a quick look judges."""


@dataclass(frozen=True)
class Maker:
    """Where models lie and how they are made.

    Args:
        plan: what to make.
        runs: the folder of runs; reports are kept in its folder `reports`.
        data: where datasets are; None reads CDIM_DATA.
        device: as for `cdim train`.
        few: whether to judge on `FEW` instances alone.
    """

    plan: Plan
    runs: Path
    data: Path | None
    device: str
    few: bool = False

    def reports(self, row: Row, dataset: str) -> tuple[list[Report], dict[str, Any]]:
        """The reports of a row on a dataset, one a seed, and what a row of results says of it.

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
        from cdim.judge.report import Report

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
        click.echo(f"{row.model}-{seed} on {dataset}", err=True)
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
        click.echo(f"  triplets of {rival.teacher}, C = {rival.cost:g}", err=True)
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
