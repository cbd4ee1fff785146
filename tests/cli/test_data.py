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
