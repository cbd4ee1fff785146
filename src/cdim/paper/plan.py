"""The rows of the paper's tables as a list: what to train, judge and compare, and how.

The list is data, a TOML file (`docs/reproduce.toml`); every key is a field below.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cdim import strict
from cdim.errors import UsageError, nearest, unknown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCUMENT = strict.Document("list of rows", UsageError)
SHORT = (
    *('model.start=""', 'model.weights=""', "loop.steps=2", "loop.evaluate_every=1"),
    *("loop.batch=8", "loop.precision=fp32"),
)
"""What `quick` changes in every recipe."""
QUICK = ", quick"


@dataclass(frozen=True)
class Model:
    """[models.NAME]: a recipe to train; a run of each seed is `<NAME>-<seed>`."""

    seeds: tuple[int, ...]
    recipe: str = ""  # a recipe's file; with `rival`, of the network behind its features
    # a rival of Table 3 (`cdim.learn.rivals.rivals`) that is fitted to each dataset
    rival: Literal["", "hog-bow", "dense-hog", "isn"] = ""
    # overrides of the recipe, as for `cdim train`; "{seed}" becomes the seed
    set: tuple[str, ...] = ()
    dim: int = 0  # shortens the embedding at export, and judges the bundle; 0 judges the run
    head: str = ""  # of `dim`, as for `cdim export`
    # what not every machine has. Rows of such a model are made when they are named.
    needs: str = ""

    def overrides(self, seed: int) -> tuple[str, ...]:
        """The recipe's overrides for a seed."""
        return tuple(text.replace("{seed}", str(seed)) for text in self.set)


@dataclass(frozen=True)
class Row:
    """[[rows]]: a model on one or more datasets."""

    table: str  # number of the paper's table
    row: str  # its name there, or one of its own
    model: str  # a name of `Plan.models`
    datasets: tuple[str, ...]  # as for `cdim eval`
    # the published row it stands for; None for the one of its name, "" for none
    paper: str | None = None
    multi_query: Literal["", "average", "maximum"] = ""  # as for `cdim eval`; "" for single query
    join: tuple[str, ...] = ()  # middle maps joined after training, as for `cdim eval`
    seeds: tuple[int, ...] = ()  # of the model's, these alone; () for all

    @property
    def published(self) -> str:
        """The published row's name; "" where there is none."""
        return self.row if self.paper is None else self.paper

    @property
    def command(self) -> str:
        """The command that makes the row."""
        name, quick = self.row.removesuffix(QUICK), self.row.endswith(QUICK)
        words = f"cdim reproduce {self.table} --row {shlex.quote(name)}"
        return f"{words} --quick" if quick else words


@dataclass(frozen=True)
class Contrast:
    """[[comparisons]]: one row against another of its table, on all datasets both have."""

    table: str
    row: str
    against: str


@dataclass(frozen=True)
class LeftOut:
    """[[left_out]]: published rows that are not measured, and why."""

    table: str
    rows: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Plan:
    """The whole list."""

    models: Mapping[str, Model]
    rows: tuple[Row, ...]
    comparisons: tuple[Contrast, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def __post_init__(self) -> None:
        for name, model in self.models.items():
            if not model.seeds or not (model.recipe or model.rival):
                raise UsageError(
                    f"[models.{name}] without seeds, or without a recipe and a rival",
                    "it says what is trained, and with which seeds",
                    "add them",
                )
        for row in self.rows:
            if row.model not in self.models:
                raise UsageError(
                    f"the row {row.row!r} of the model {row.model!r}",
                    f"models are {', '.join(self.models)}",
                    nearest(row.model, self.models),
                )
            own = self.models[row.model].seeds
            if not set(row.seeds) <= set(own):
                raise UsageError(
                    f"the row {row.row!r} of the seeds {list(row.seeds)}",
                    f"its model {row.model!r} has the seeds {list(own)}",
                    "name some of these, or leave seeds out",
                )
        known = {(row.table, row.row) for row in self.rows}
        for pair in self.comparisons:
            for name in (pair.row, pair.against):
                if (pair.table, name) not in known:
                    raise UsageError(
                        f"a comparison with the row {name!r} of table {pair.table}",
                        "it compares rows of the list",
                        nearest(name, [row for table, row in known if table == pair.table]),
                    )

    def seeds(self, row: Row) -> tuple[int, ...]:
        """The training seeds that a row is the mean of."""
        own = self.models[row.model].seeds
        return tuple(seed for seed in own if seed in row.seeds) if row.seeds else own

    @property
    def tables(self) -> list[str]:
        """Their numbers, in order."""
        return sorted({row.table for row in self.rows}, key=lambda table: (len(table), table))

    def of(self, table: str, names: Sequence[str] = ()) -> list[Row]:
        """The rows of a table, or those of some names.

        Raises:
            UsageError: no such table or row.
        """
        if table not in self.tables:
            raise unknown("table", table, self.tables)
        rows = [row for row in self.rows if row.table == table]
        for name in names:
            if name not in [row.row for row in rows]:
                raise UsageError(
                    f"the row {name!r}",
                    f"table {table} has the rows {', '.join(dict.fromkeys(r.row for r in rows))}",
                    nearest(name, [row.row for row in rows]),
                    argument="names",
                )
        return [row for row in rows if not names or row.row in names]

    def quick(self) -> Plan:
        """The same with one seed and two steps, to see whether all of it runs; rows say so."""
        models = {
            name: replace(model, seeds=model.seeds[:1], set=(*model.set, *SHORT))
            for name, model in self.models.items()
        }
        pairs = tuple(
            replace(pair, row=pair.row + QUICK, against=pair.against + QUICK)
            for pair in self.comparisons
        )
        rows = tuple(map(quick_row, self.rows))
        return replace(self, models=models, rows=rows, comparisons=pairs)


def quick_row(row: Row) -> Row:
    """The row of a quick plan that stands for this one."""
    return replace(row, row=row.row + QUICK, paper=row.published, seeds=())


def read_plan(path: Path) -> Plan:
    """Reads the list.

    Raises:
        UsageError: no such file, no TOML, an unknown key, or a value that cannot be.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"cannot read the list of rows {path} ({error})",
            "it is a TOML file such as docs/reproduce.toml",
            "work in the repository's folder, or name another list",
            argument="listed",
        ) from None
    return strict.build(Plan, table, DOCUMENT)
