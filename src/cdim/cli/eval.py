"""`cdim eval`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cdim.cli import options
from cdim.cli.failures import Verb
from cdim.cli.printing import say
from cdim.cli.progress import progress_bars
from cdim.errors import UsageError
from cdim.judge.options import Device, EvalOptions


@click.command("eval", cls=Verb)
@click.argument("model", type=options.PATH)
@click.argument("dataset")
@options.data_root
@options.layout
@options.split
@options.device
@options.judging
@click.option("--cameras", is_flag=True, help="Also print the numbers by pair of cameras.")
@options.as_json
@options.path("--html", "Write a page of ranked lists.", metavar="FILE")
@options.path(
    "--compare", "Test MODEL against MODEL2 on the same queries.", "other", metavar="MODEL2"
)
def evaluate(
    model: Path,
    dataset: str,
    data: Path | None,
    layout: str | None,
    split: str,
    device: Device,
    how: EvalOptions,
    cameras: bool,
    as_json: bool,
    html: Path | None,
    other: Path | None,
) -> None:
    """Judge MODEL, a run or a bundle, on DATASET, a name or a path.

    \b
    cdim eval runs/strong-fusion-0 qmul-shoe --html report.html
    cdim eval runs/strong-fusion-0 qmul-shoe --compare runs/strong-vanilla-0
    cdim eval runs/reid-small-fusion-0 market1501 --multi-query average --rerank --cameras
    """  # noqa: D301 - click wants the character
    from cdim.api import load
    from cdim.data.sets.catalogue import open_dataset
    from cdim.judge.compare import compare
    from cdim.judge.conditions import by_camera
    from cdim.judge.split import judge, open_test

    opened = open_dataset(dataset, data, layout=layout)
    test = open_test(opened, split, how)
    if cameras and not by_camera(test.protocol, test.query, test.gallery):
        raise UsageError(
            f"--cameras for {opened.name}, protocol {test.protocol}",
            "numbers by camera need cameras, and the protocol cross-camera or any-camera",
            "leave --cameras out, or fill the column camera and choose one of these protocols",
        )
    with progress_bars() as progress:
        report = judge(load(model, device, how), test, progress)
    printed: dict[str, Any] = {**report.to_json(), "split": test.split}
    lines = [str(report)]
    if cameras:
        lines += ["", report.camera_table()]
    if other is not None:
        with progress_bars() as progress:
            found = compare(report, judge(load(other, device), test, progress))
        tests = {name: asdict(test) for name, test in found.items()}
        printed["compare"] = {"run": str(other), "metrics": tests}
        lines += [f"minus {other}, on the same queries:", str(found)]
    say(json.dumps(printed, indent=2) if as_json else "\n".join(lines))
    if html is not None:
        from cdim.judge.page import write_page

        write_page(report, test.query, test.gallery, html)
        say(f"ranked lists: {html}", err=as_json)
