"""`cdim data check --input`."""

from __future__ import annotations

import json

import pytest
from PIL import Image


def test_images_that_do_not_fit_the_input(call, tmp_path):
    (tmp_path / "a").mkdir()
    Image.linear_gradient("L").resize((90, 60)).save(tmp_path / "a" / "1.png")
    fitting = call("data", "check", tmp_path, "--input", "64x96", "--json")
    unlike = call("data", "check", tmp_path, "--input", "256X128", "--json")
    without = call("data", "check", tmp_path, "--json")
    about_input = [
        {p["code"] for p in json.loads(done.stdout)["problems"]} & {"shape-unlike-input"}
        for done in (fitting, unlike, without)
    ]
    assert about_input == [set(), {"shape-unlike-input"}, set()]


@pytest.mark.parametrize("size", ["256", "256x", "0x128", "a x b", "-1x5", "256x128x3", ""])
def test_an_input_that_cannot_be(call, size):
    done = call("data", "check", "synthetic:6", "--input", size)
    assert done.exit_code == 2
    assert "try --input 256x128" in done.stderr
    assert "Traceback" not in done.stderr


def put(folder, *names):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.linear_gradient("L").rotate(40 * number).save(folder / name)


def test_what_is_left_out_is_counted_and_named_if_asked(call, tmp_path):
    put(tmp_path, "a/1.png", "b/2.png", "@eaDir/x/a.png", "old/3.png")
    (tmp_path / "notes.txt").touch()
    plain = call("data", "check", tmp_path, "--exclude", "old")
    assert plain.exit_code == 0
    assert "3 left out: 1 .txt, 1 excluded, 1 in a system folder" in plain.stdout
    assert "notes.txt" not in plain.stdout
    named = call("data", "check", tmp_path, "--exclude", "old", "--verbose")
    assert "notes.txt: .txt\n" in named.stdout
    told = json.loads(call("data", "check", tmp_path, "--exclude", "old", "--json").stdout)
    assert told["left_out"] == [
        {"name": "@eaDir/x/a.png", "why": "in a system folder"},
        {"name": "notes.txt", "why": ".txt"},
        {"name": "old/3.png", "why": "excluded"},
    ]
    assert told["counts"]["all"]["photo"] == {"images": 2, "instances": 2}


def test_names_that_a_terminal_would_obey_are_escaped(call, tmp_path):
    put(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "new\nline\x1b[2J.txt").touch()
    done = call("data", "check", tmp_path, "--verbose")
    assert r"    new\nline\x1b[2J.txt: .txt" in done.stdout


def test_what_can_be_read_in_two_ways_is_asked_for(call, tmp_path):
    put(tmp_path, "shoes/s1/a.png", "bags/b1/a.png")
    asked = call("data", "check", tmp_path)
    assert asked.exit_code == 2
    assert "{category}/{instance}, else {instance}/{domain}" in asked.stderr
    assert "(--layout)" in asked.stderr
    told = json.loads(
        call("data", "check", tmp_path, "--json", "--layout", "{category}/{instance}").stdout
    )
    assert told["counts"]["all"]["photo"]["instances"] == 2


def test_three_folders_of_splits_are_no_things(call, tmp_path):
    put(tmp_path, "Train/1.png", "Test/2.png", "Query/3.png")
    done = call("data", "check", tmp_path)
    assert done.exit_code == 2
    assert "no match for the query Query/3.png" in done.stderr


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_a_set_without_one_whole_image_cannot_be_checked(call, tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    done = call("data", "check", tmp_path)
    assert done.exit_code == 2
    assert "0 of 1 image of" in done.stderr
    assert call("data", "check", tmp_path, "--exclude", "*.png").exit_code == 2


@pytest.mark.parametrize("verb", [("eval", "default"), ("adapt", "default"), ("data", "check")])
def test_verbs_of_datasets_take_a_layout(call, tmp_path, verb):
    put(tmp_path / "set", "shoes/s1/a.png")
    out = ("-o", tmp_path / "new") if verb[0] == "adapt" else ()
    done = call(*verb, tmp_path / "set", "--layout", "{instanc}", *out)
    assert done.exit_code == 2
    assert "did you mean '{instance}'? (--layout)" in done.stderr


@pytest.mark.parametrize("option", ["--layout", "--exclude"])
def test_only_folders_have_a_layout(call, option):
    done = call("data", "check", "synthetic:6", option, "*")
    assert done.exit_code == 2
    assert "that is for a folder or a zip" in done.stderr
