from __future__ import annotations

import base64
import io
import json
import os
import pty
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tests.made import mean_colours

from cdim.cli.pictures import ROWS, picture
from cdim.find.gallery import Gallery
from cdim.metrics.calibration.probability import Calibration

COLOURS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250), "grey": (90, 90, 90)}


def fill(place, bundle):
    with Gallery.open(place, bundle, create=True) as gallery:
        images = [np.full((12, 12, 3), colour, np.uint8) for colour in COLOURS.values()]
        tables = [{"kind": "warm" if name == "red" else "cold"} for name in COLOURS]
        gallery.add(images, [f"{name}.png" for name in COLOURS], tables)
    return place


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    return fill(folder / "gallery", mean_colours(folder / "bundle"))


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sure")
    fit = Calibration(
        slope=20.0,
        other=0.0,
        rivals=1.0,
        bias=4.0,
        near=20.0,
        mean=0.0,
        lead=0.0,
        fade=0.0,
        size=0.0,
        usual=1.0,
        false_matches=tuple(np.linspace(0.01, 0.9, 99).tolist()),
    )
    return fill(folder / "gallery", mean_colours(folder / "bundle", calibration=fit))


@pytest.fixture
def save(tmp_path):
    def write(name, colour):
        Image.new("RGB", (10, 10), colour).save(tmp_path / name)
        return tmp_path / name

    return write


def ids(done):
    assert done.exit_code == 0, done.output
    return [hit["id"] for hit in json.loads(done.stdout)["hits"]]


def test_hits_are_printed_nearest_first(call, place, save):
    done = call("search", place, save("q.png", (0, 20, 240)), "-k", 2)
    assert done.exit_code == 0, done.output
    first, *hits = done.stdout.splitlines()
    assert "taken as photo, in 4 items; distances: Euclidean" in first
    assert [line.split()[0] for line in hits] == ["1", "2"]
    assert hits[0].endswith("  blue.png")
    assert float(hits[0].split()[1]) == pytest.approx(np.hypot(20, 10) / 255, abs=1e-3)
    assert "%" not in done.stdout


def test_json_is_what_python_finds(call, place, save):
    query = save("q.png", (0, 120, 240))
    printed = json.loads(call("search", place, query, "--json").stdout)
    assert printed.pop("query") == [str(query)]
    with Gallery.open(place) as gallery:
        from cdim.bundles.queries import read_query

        found = gallery.search(read_query(query, None, gallery.bundle))
    assert printed == json.loads(json.dumps(found.to_json()))


def test_several_queries_are_pooled_by_their_weights_or_searched_each(call, place, save):
    queries = (save("a.png", COLOURS["red"]), save("b.png", COLOURS["blue"]))
    assert ids(call("search", place, *queries, "--json", "-k", 1, "--weights", "1,3")) == [
        "blue.png"
    ]
    assert ids(call("search", place, *queries, "--json", "-k", 1, "--weights", "3,1")) == [
        "red.png"
    ]
    each = json.loads(call("search", place, *queries, "--json", "-k", 1, "--each").stdout)
    found = [[hit["id"] for hit in one["hits"]] for one in each["searches"]]
    assert found == [["red.png"], ["blue.png"]]
    assert [one["query"] for one in each["searches"]] == [[str(q)] for q in queries]


def test_an_item_is_a_query_and_no_hit(call, place, save):
    found = ids(call("search", place, "--like", "grey.png", "--json"))
    assert len(found) == 3
    assert "grey.png" not in found
    both = ("search", place, save("q.png", COLOURS["red"]), "--like", "blue.png", "--json")
    assert ids(call(*both, "--weights", "1,0"))[0] == "red.png"
    missing = call("search", place, "--like", "nothing.png")
    assert missing.exit_code == 2
    assert "nothing.png" in missing.stderr


def test_filters_and_refinements(call, place, save):
    query = save("q.png", COLOURS["red"])
    assert "red.png" not in ids(call("search", place, query, "--where", "kind=cold", "--json"))
    nothing = call("search", place, query, "--where", "kind=hot")
    assert "no item passes the filter" in nothing.stdout
    refined = call("search", place, query, "--expand", 2, "--rerank")
    assert "re-ranked, 0 to 1" in refined.stdout.splitlines()[0]
    assert "its 2 nearest" in refined.stdout.splitlines()[0]


def test_drawings_are_queries(call, place, tmp_path):
    (tmp_path / "a.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0L9 5"/></svg>'
    )
    (tmp_path / "b.json").write_text("[[[0, 0], [9, 5]]]")
    found = [
        json.loads(call("search", place, tmp_path / n, "--json").stdout)
        for n in ("a.svg", "b.json")
    ]
    assert found[0]["taken"] == ["sketch"]
    assert found[0]["hits"] == found[1]["hits"]


def test_the_domain_can_be_told(call, place, save):
    done = call("search", place, save("q.png", COLOURS["red"]), "--domain", "sketch", "--json")
    assert json.loads(done.stdout)["taken"] == ["sketch"]


def test_probabilities_and_what_is_probably_not_there(call, calibrated, save):
    near = call("search", calibrated, save("near.png", COLOURS["red"]))
    first = re.match(r" +1 +0\.0000 +(\d+) %  red\.png", near.stdout.splitlines()[1])
    assert int(first[1]) > 50
    assert "probably not" not in near.stdout
    far = call("search", calibrated, save("far.png", (250, 250, 250)))
    assert re.search(r"probably not in this gallery \(present: \d+ %\)", far.stdout)
    none = call("search", calibrated, save("far.png", (250, 250, 250)), "--false-match-rate", 0.01)
    assert "nothing found" in none.stdout
    assert len(ids(call("search", calibrated, save("near.png", COLOURS["red"]), "--json"))) == 4


def test_a_page_is_written(call, place, save, tmp_path):
    page = tmp_path / "found.html"
    done = call("search", place, save("q.png", COLOURS["red"]), "--html", page, "--json")
    assert ids(done)[0] == "red.png"
    assert page.read_text(encoding="utf-8").count("data:image/jpeg") == 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "nothing to search with"),
        (("q.png", "--each", "--weights", "1"), "--weights with --each"),
        (("q.png", "--weights", "1,x"), "no list of numbers"),
        (("q.png", "--weights", "1,-1"), "no list of numbers"),
        (("q.png", "--weights", "nan"), "no list of numbers"),
        (("q.png", "--weights", "1,1"), "weights"),
        (("q.png", "--weights", "0"), "weights"),
        (("q.png", "--pictures"), "terminal"),
        (("q.png", "--pictures", "--json"), "--json"),
        (("q.png", "--domain", "oil"), "oil"),
        (("q.png", "--where", "kind"), "kind"),
        (("q.png", "--false-match-rate", "0.1"), "calibration"),
        (("q.png", "--false-match-rate", "2"), "2"),
        (("q.png", "-k", "0"), "0"),
        (("missing.png",), "missing.png"),
        (("broken.svg",), "broken.svg"),
    ],
)
def test_bad_input_is_one_line(place, save, tmp_path, monkeypatch, capsys, options, said):
    from cdim.cli import cdim

    save("q.png", COLOURS["red"])
    (tmp_path / "broken.svg").write_text("<svg")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        cdim.main(["search", str(place), *options], "cdim")
    said_all = capsys.readouterr()
    assert stopped.value.code == 2
    assert said_all.out == ""
    assert said_all.err.startswith("error: ")
    assert said_all.err.count("\n") == 1
    assert said in said_all.err


def test_no_gallery_is_one_line_in_a_real_process(shell, tmp_path):
    done = shell("search", tmp_path / "nowhere", "q.png")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_searching_imports_nothing_that_is_slow_and_unused(place, save, tmp_path):
    code = (
        "import sys\nfrom cdim.cli import cdim\n"
        "cdim.main(sys.argv[1:], 'cdim', standalone_mode=False)\n"
        "slow = {'torch', 'scipy.ndimage', 'jinja2', 'svgelements', 'fastapi', 'qdrant_client'}\n"
        "sys.exit(str(slow & set(sys.modules)) if slow & set(sys.modules) else 0)"
    )
    arguments = ["search", str(place), str(save("q.png", COLOURS["red"]))]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "red.png" in done.stdout


def thumbnail(colour=(200, 30, 30)):
    file = io.BytesIO()
    Image.new("RGB", (40, 20), colour).save(file, "JPEG")
    return file.getvalue()


def test_pictures_in_kitty_come_whole_and_in_chunks():
    rng = np.random.default_rng(0)
    noise, file = rng.integers(0, 256, (160, 160, 3), dtype=np.uint8), io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    text = picture(file.getvalue(), {"KITTY_WINDOW_ID": "1"})
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert len(parts) > 1
    assert all(len(data) <= 4096 for _, data in parts)
    assert [control[-1] for control, _ in parts] == ["1"] * (len(parts) - 1) + ["0"]
    decoded = Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in parts))))
    assert np.array_equal(np.asarray(decoded), noise)
    assert "".join(f"\x1b_G{c};{d}\x1b\\" for c, d in parts) == text


def test_pictures_in_iterm2_are_the_thumbnail():
    text = picture(thumbnail(), {"TERM_PROGRAM": "iTerm.app"})
    data = re.fullmatch(r"\x1b\]1337;File=inline=1;height=\d+;size=\d+:(.*)\a", text)[1]
    assert base64.b64decode(data) == thumbnail()


@pytest.mark.parametrize(
    ("environment", "colour"),
    [
        ({"COLORTERM": "truecolor"}, r"\x1b\[38;2;\d+;\d+;\d+;48;2;\d+;\d+;\d+m▀"),
        ({}, r"\x1b\[38;5;160;48;5;160m▀"),
        ({"TMUX": "1", "KITTY_WINDOW_ID": "1"}, r"\x1b\[38;5;160;48;5;160m▀"),
    ],
)
def test_other_terminals_get_half_blocks(environment, colour):
    lines = picture(thumbnail((215, 0, 0)), environment).split("\n")
    assert len(lines) == ROWS
    for line in lines:
        assert re.fullmatch(rf"(?:{colour}){{{4 * ROWS}}}\x1b\[0m", line)


def test_pictures_are_shown_on_a_terminal(place, save):
    query = save("q.png", COLOURS["red"])
    outer, inner = pty.openpty()
    arguments = [sys.executable, "-m", "cdim", "search", place, query, "-k", "1", "--pictures"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("KITTY", "TERM"))}
    with subprocess.Popen(
        [str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=inner, env=environment
    ) as process:
        os.close(inner)
        text = b""
        try:
            while part := os.read(outer, 65536):
                text += part
        except OSError:  # the other end is closed
            pass
    os.close(outer)
    assert process.returncode == 0
    assert text.decode().count("▀") == ROWS * 2 * ROWS
    assert text.decode().rstrip().endswith("red.png")
