"""`cdim atlas` on the command line: what it prints, and how it fails."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def atlas(tiny_run, tmp_path_factory):
    from click.testing import CliRunner

    from cdim.cli import cdim

    out = tmp_path_factory.mktemp("atlas") / "atlas"
    words = ["atlas", tiny_run, "synthetic:36", "-o", out, "--tap", "conv3", "--tap", "pool5"]
    words += ["--treatment", "l2", "--budget", "3000"]
    return CliRunner().invoke(cdim, [str(word) for word in words]), out


def test_it_says_what_was_chosen_and_where_to_look(atlas):
    done, out = atlas
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("chosen: ")
    assert "such choices, on held-out folds" in done.stdout
    assert f"look at {out / 'atlas.html'}" in done.stdout
    assert f"cdim train {out / 'recipe.toml'}" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tap", "conv9"], r"tap 'conv9'.*did you mean 'conv.*--tap"),
        (["--treatment", "l1"], "known are none, l2, root, centred, pairs"),
        (["--regularisation", "0"], "lambda is above 0"),
        (["--budget", "0"], "--budget"),
        (["--budget", "2"], "raise the budget"),
        (["--instances", "3"], "4 or more are needed"),
    ],
)
def test_what_is_wrong_is_one_line(call, tiny_run, tmp_path, words, message):
    import re

    done = call("atlas", tiny_run, "synthetic:36", "-o", tmp_path / "out", *words)
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert re.search(message, done.stderr)


def test_datasets_and_models_that_do_not_exist_are_named(call, tiny_run, tmp_path):
    done = call("atlas", tiny_run, "sinthetic", "-o", tmp_path / "out")
    assert (done.exit_code, "there is no sinthetic" in done.stderr) == (2, True)
    done = call("atlas", "nothing", "synthetic:36", "-o", tmp_path / "out")
    assert (done.exit_code, "neither a run nor a recipe" in done.stderr) == (2, True)
    done = call("atlas", tiny_run, "-o", tmp_path / "out")
    assert (done.exit_code, "DATASET" in done.stderr) == (2, True)
