"""Bad input ends in one line on stderr and an exit code, never in a traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from cdim.learn.training import run


def one_line(done, *words):
    code = getattr(done, "returncode", getattr(done, "exit_code", None))
    assert code == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], ["trian", "did you mean 'train'?", "cdim --help"]),
        (["data", "chek"], ["chek", "did you mean 'check'?", "cdim data --help"]),
        (["--verbose"], ["--verbose"]),
        (["train"], ["RECIPE"]),
        (["train", "missing.toml"], ["missing.toml", "recipes/"]),
        (["train", "missing.toml", "--device", "tpu"], ["tpu", "cuda"]),
        (["eval", "missing", "synthetic"], ["missing", "training"]),
        (["eval", "missing", "qmul-show"], ["qmul-show", "qmul-shoe"]),
        (["eval", "missing", "qmul-shoe"], ["--data", "CDIM_DATA"]),
        (["eval", "missing", "qmul-shoe", "--data", "nowhere"], ["nowhere", "--data"]),
        (["eval", "missing", "synthetic", "--split", "tset"], ["tset", "test"]),
        (["search", "missing", "q.png"], ["missing", "index a folder"]),
        (["search", "missing", "q.png", "--model", "nothing"], ["nothing", "default"]),
        (["search", "missing"], ["QUERY", "--like"]),
        (["index", ".", "-o", "missing"], ["no images in "]),
        (["index", "photo", "-o", "missing"], ["did you mean 'photos'?"]),
        (["serve", "missing"], ["missing", "index a folder"]),
        (["serve", "photo"], ["photo is no gallery", "did you mean 'photos'?"]),
        (["serve", "missing", "--allow-host", "a/b"], ["a name alone", "(--allow-host)"]),
        (["export", "missing", "-o", "out"], ["missing", "training"]),
        (["data", "check", "missing.csv"], ["there is no missing.csv", "check the path"]),
        (["data", "check", "qmul-sheo"], ["did you mean 'qmul-shoe'?"]),
        (["data", "check", "photo"], ["there is no photo", "did you mean 'photos'?"]),
        (["data", "check", "notes.txt"], ["neither a folder nor a .csv or zip"]),
        (["data", "check", "."], ["images"]),
    ],
)
def test_bad_input(call, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "notes.txt").touch()
    done = call(*arguments)
    one_line(done, *words)
    assert "market1501" not in done.stderr


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("eval default qmul-shoe", "--data"),
        ("eval default synthetic:18 --split val", "--split"),
        ("eval default synthetic:18 --multi-query average", "--multi-query"),
        ("eval default synthetic:18 --device cuda", "--device"),
        ("eval default synthetic:18 --join stem", "--join"),
        ("reproduce 9 --list nowhere.toml", "--list"),
    ],
)
def test_the_option_that_cures_is_the_last_word(call, tmp_path, monkeypatch, line, option):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CDIM_DATA", raising=False)
    done = call(*line.split())
    one_line(done)
    assert done.stderr.endswith(f" ({option})\n")


@pytest.mark.parametrize("arguments", [["search", "missing", "q.png"], ["data", "lits"]])
def test_bad_input_in_a_real_process(shell, arguments):
    one_line(shell(*arguments))


def test_an_unknown_recipe_key_names_the_nearest(call, tiny_recipe, tmp_path):
    done = call("train", tiny_recipe, "--set", "loss.marign=0.2", "--out", tmp_path / "run")
    one_line(done, "loss.marign", "did you mean 'margin'")
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_overwritten(call, tiny_recipe, tiny_run):
    before = (tiny_run / "best.safetensors").read_bytes()
    one_line(call("train", tiny_recipe, "--out", tiny_run), "--resume")
    assert (tiny_run / "best.safetensors").read_bytes() == before


def raising(error):
    def instead(*_arguments, **_options):
        raise error

    return instead


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "last.safetensors"), ["disk is full"]),
        (PermissionError(errno.EACCES, "Permission denied", "runs"), ["Permission denied: runs"]),
        (MemoryError(), ["out of memory"]),
    ],
)
def test_what_the_system_refuses(call, monkeypatch, error, words):
    monkeypatch.setattr(run, "train", raising(error))
    one_line(call("train", "any.toml"), *words)


def test_ctrl_c_says_how_to_go_on(call, monkeypatch):
    monkeypatch.setattr(run, "train", raising(KeyboardInterrupt()))
    done = call("train", "any.toml")
    assert done.exit_code == 130
    assert "--resume" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_bug_is_not_dressed_up_as_bad_input(call, monkeypatch):
    monkeypatch.setattr(run, "train", raising(ZeroDivisionError()))
    assert isinstance(call("train", "any.toml").exception, ZeroDivisionError)


@pytest.mark.skipif(os.name == "nt", reason="pipes close differently there")
def test_a_closed_pipe_is_quiet():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "cdim", "data", "list"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.stderr == ""
