from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from PIL import Image

import cdim
from cdim.cli.group import VERBS
from cdim.data.sets.catalogue import KNOWN


def test_the_version(shell):
    done = shell("--version")
    assert done.stdout == f"cdim {cdim.__version__}\n"


def test_nothing_given_shows_the_verbs(shell):
    done = shell()
    assert done.returncode == 2
    for verb in VERBS:
        assert f"  {verb} " in done.stderr


def test_data_list_names_every_dataset_with_its_terms(call):
    done = call("data", "list")
    assert done.exit_code == 0
    cards = json.loads(call("data", "list", "--json").stdout)
    assert [c["name"] for c in cards] == list(KNOWN)
    for card in cards:
        assert card["where"]
        assert card["terms"] in done.stdout


def test_data_check_of_a_good_set(call):
    done = call("data", "check", "synthetic:12", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["problems"] is not None


def test_data_check_of_a_bad_set_exits_with_1(call, tmp_path):
    (tmp_path / "shoe").mkdir()
    (tmp_path / "shoe" / "broken.png").write_text("no image")
    none = call("data", "check", tmp_path)
    assert none.exit_code == 2
    assert "0 of 1 image" in none.stderr
    Image.new("L", (64, 64), 200).save(tmp_path / "shoe" / "sound.png")
    done = call("data", "check", tmp_path)
    assert done.exit_code == 1
    assert "broken.png" in done.stdout


def test_the_data_root_comes_from_the_option_or_the_environment(call, data_root, monkeypatch):
    by_option = call("data", "check", "qmul-chair", "--data", data_root, "--json")
    monkeypatch.setenv("CDIM_DATA", str(data_root))
    by_environment = call("data", "check", "qmul-chair", "--json")
    assert json.loads(by_option.stdout) == json.loads(by_environment.stdout)


def test_a_run_is_judged(call, tiny_run, tmp_path):
    page = tmp_path / "report.html"
    done = call("eval", tiny_run, "synthetic:18", "--json", "--html", page, "--device", "cpu")
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert {"dataset", "protocol", "metrics", "queries", "gallery", "seed"} <= printed.keys()
    assert (printed["dataset"], printed["split"]) == ("synthetic:18", "test")
    first = printed["metrics"]["acc@1"]
    assert 0 <= first["low"] <= first["value"] <= first["high"] <= 1
    assert "data:image" in page.read_text(encoding="utf-8")


def test_two_runs_are_compared(call, tiny_run):
    arguments = ("eval", tiny_run, "synthetic:18", "--compare", tiny_run, "--device", "cpu")
    found = json.loads(call(*arguments, "--json").stdout)["compare"]["metrics"]["acc@1"]
    assert found["difference"] == 0
    assert found["p"] == pytest.approx(1)
    assert "p = 1" in call(*arguments).stdout


def test_a_stopped_training_is_resumed_from_the_shell(call, tiny_recipe, tmp_path):
    out = tmp_path / "run"
    arguments = ("train", tiny_recipe, "--out", out, "--device", "cpu", "--seed", 3)
    assert call(*arguments, "--set", "loop.steps=1").exit_code == 0
    done = call(*arguments, "--resume")
    assert done.exit_code == 0, done.output
    steps = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert steps[-1]["step"] == 2


def test_the_demo_end_to_end_with_fewer_products(tmp_path, monkeypatch, call):
    from cdim.find import demo

    monkeypatch.setattr(demo, "PRODUCTS", "synthetic:30:1")
    monkeypatch.setattr(demo, "SKETCHES", 12)
    done = call("demo", "--out", tmp_path / "demo")
    assert done.exit_code == 0, done.output
    assert "30 photos in" in done.stdout
    share = float(done.stdout.partition("comes first for ")[2].partition("%")[0])
    assert share > 100 / 30 * 3
    page = (tmp_path / "demo" / "found.html").read_text(encoding="utf-8")
    assert re.search(r"<h2>sketch of [a-z]+ [a-z ]+ \d{3}</h2>", page)
    assert re.search(r"<br>[a-z]+ [a-z ]+ \d{3}</figcaption>", page)
    assert "synthetic:" not in page
    program, *search = shlex.split(
        done.stdout.partition("search with a sketch: ")[2].splitlines()[0]
    )
    assert shutil.which(program)  # it works as pasted, also where cdim is not on the path
    assert call(*search).exit_code == 0
    again = call("demo", "--out", tmp_path / "demo")
    assert again.stdout == done.stdout


def test_results_are_added_and_written(call, tiny_run, tmp_path):
    file = tmp_path / "results.json"
    file.write_text("[]")
    arguments = ("synthetic:18", tiny_run, "--row", "Tiny", "--recipe", "tiny.toml")
    for _ in range(2):  # the second time it is the same row
        done = call("results", "add", *arguments, "--file", file, "--device", "cpu")
        assert done.exit_code == 0, done.output
    (row,) = json.loads(file.read_text())
    assert (row["row"], row["seeds"], row["fusion"]) == ("Tiny", [0], [])
    assert "cdim train tiny.toml --seed $seed" in row["command"]
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "Tiny" in page
    (tmp_path / "results.md").unlink()
    assert call("results", "--file", file).exit_code == 0
    assert (tmp_path / "results.md").read_text(encoding="utf-8") == page


def test_bundles_make_rows_and_are_paired_as_runs_do(call, tmp_path):
    file = tmp_path / "results.json"
    file.write_text("[]")
    arguments = ("synthetic:18", "default", "--row", "Shipped", "--recipe", "demo.toml")
    done = call("results", "add", *arguments, "--file", file)
    assert done.exit_code == 2
    assert "(--command)" in done.stderr
    done = call("results", "add", *arguments, "--file", file, "--command", "cdim eval demo x")
    assert done.exit_code == 0, done.output
    (row,) = json.loads(file.read_text())
    dim = cdim.load("default").bundle.dim
    assert (row["row"], row["dim"], row["params"]) == ("Shipped", dim, None)
    done = call("results", "paired", "synthetic:18", "--run", "default", "--against", "default")
    assert done.exit_code == 0, done.output
    assert "+0.000" in done.stdout


def test_python_m_cdim_is_the_command(tmp_path):
    environment = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-m", "cdim", "--help"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.stdout.startswith("Usage: cdim ")
