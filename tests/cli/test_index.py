from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from PIL import Image
from tests.made import mean_colours

from cdim.bundles.encoder import Encoder
from cdim.find.gallery import Gallery


def save(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (8, 6), colour)
    image.putpixel((0, 0), (9, 9, 9))
    image.save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    for i in range(4):
        save(tmp_path / "photos" / f"{i}.png", (i, 0, 0))
    return tmp_path / "photos"


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return mean_colours(tmp_path_factory.mktemp("bundles") / "colours").folder


def test_a_folder_is_indexed_and_brought_up_to_date(call, folder, model, tmp_path):
    place = tmp_path / "gallery"
    done = call("index", folder, "-o", place, "--model", model)
    assert done.exit_code == 0, done.output
    assert done.output == f"{place}: 4 items; 4 added; 4 embedded\n"
    (folder / "0.png").unlink()
    (folder / "1.png").rename(folder / "one.png")
    done = call("index", folder, "-o", place)
    assert done.exit_code == 0, done.output
    assert "4" not in done.output.partition(": ")[2]
    assert done.output == (
        f"{place}: 3 items; 0 added, 1 moved, 1 removed, 2 unchanged; 0 embedded (1 known by their "
        "content)\n"
    )


def test_a_new_gallery_is_of_the_model_default_and_an_old_one_of_its_own(
    call, folder, model, tmp_path, monkeypatch
):
    from cdim.cli import index

    done = call("index", tmp_path / "nothing", "-o", tmp_path / "new")
    assert "there is no" in done.stderr
    assert "new gallery" not in done.stderr
    monkeypatch.setattr(index, "DEFAULT", model)
    for note in (f"a new gallery, of the model {model}; --model takes another\n", ""):
        done = call("index", folder, "-o", tmp_path / "new")
        assert (done.exit_code, done.stderr) == (0, note)


def test_a_dry_run_mends_no_copy_of_the_bundle(call, folder, model, tmp_path):
    place = tmp_path / "gallery"
    assert call("index", folder, "-o", place, "--model", model).exit_code == 0
    (place / "bundle").rename(place / "elsewhere")
    done = call("index", folder, "-o", place, "--model", model, "--dry-run")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "4 unchanged" in done.stdout
    assert not (place / "bundle").exists()


def test_unreadable_files_are_named_and_no_failure(call, folder, model, tmp_path):
    for i in range(25):
        (folder / f"broken{i}.png").write_text("no image")
    arguments = ["index", folder, "-o", tmp_path / "g", "--model", model]
    done = call(*arguments)
    assert done.exit_code == 0
    assert done.stdout == f"{tmp_path / 'g'}: 4 items; 4 added; 4 embedded\n"
    assert done.stderr.count("left out: broken") == 20
    assert "left out: 5 more; see --verbose or --json" in done.stderr
    assert call(*arguments, "--verbose").stderr.count("left out: broken") == 25
    told = json.loads(call(*arguments, "--json").stdout)
    assert len(told["unreadable"]) == 25
    assert (told["items"], told["unchanged"], told["added"]) == (4, 4, 0)


def test_a_table_of_metadata_and_a_prefix(call, folder, model, tmp_path):
    (tmp_path / "prices.csv").write_text("path,price\n0.png,5\nmissing.png,6\n")
    arguments = ["index", folder, "-o", tmp_path / "g", "--model", model, "--prefix", "shop/"]
    done = call(*arguments, "--metadata", tmp_path / "prices.csv")
    assert "no image for 1 row of the metadata: missing.png" in done.stderr
    with Gallery.open(tmp_path / "g") as gallery:
        assert gallery.get("shop/0.png").metadata["price"] == 5
        assert gallery.count({"price": {"gte": 5}}) == 1


def test_names_of_files_cannot_write_to_the_terminal(call, folder, model, tmp_path):
    (folder / "a\x1b[2J\nb.png").write_text("no image")
    done = call("index", folder, "-o", tmp_path / "g", "--model", model)
    assert done.exit_code == 0
    assert "left out: a\\x1b[2J\\nb.png: " in done.stderr
    assert "\x1b" not in done.stderr


def test_names_that_the_terminal_cannot_print_are_escaped(shell, model, tmp_path):
    for red, name in enumerate(("靴.png", "a.png", "broken \x1b[2J.png")):
        save(tmp_path / "写真" / name, (red, 0, 0))
    (tmp_path / "写真" / "broken \x1b[2J.png").write_text("no image")
    code_page = {"env": {**os.environ, "PYTHONIOENCODING": "cp1252"}}
    done = shell("index", "写真", "-o", "画廊", "--model", model, **code_page)
    assert done.returncode == 0
    assert done.stdout == r"\u753b\u5eca: 2 items; 2 added; 2 embedded" + "\n"
    assert done.stderr.startswith(r"left out: broken \x1b[2J.png: ")
    done = shell("search", "画廊", "--like", "a.png", **code_page)
    assert done.returncode == 0
    assert done.stdout.endswith("\\u9774.png\n")
    done = shell("data", "check", "写真", **code_page)
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_a_removal_that_is_withheld_is_exit_code_1(call, folder, model, tmp_path):
    arguments = ["index", folder, "-o", tmp_path / "g"]
    call(*arguments, "--model", model)
    for i in range(3):
        (folder / f"{i}.png").unlink()
    save(folder / "new.png", (9, 9, 9))
    done = call(*arguments)
    assert done.exit_code == 1
    assert "5 items; 1 added, 1 unchanged" in done.stdout
    assert "not removed: 3 items: 0.png, 1.png, 2.png, for most files are gone: " in done.stderr
    assert "(--prune)" in done.stderr
    assert json.loads(call(*arguments, "--json").stdout)["withheld"] == ["0.png", "1.png", "2.png"]
    done = call(*arguments, "--prune")
    assert done.exit_code == 0
    assert "2 items; 0 added, 3 removed, 2 unchanged" in done.stdout
    for left in folder.iterdir():
        left.unlink()
    done = call(*arguments)
    assert done.exit_code == 2
    assert "the gallery holds 2 items of it" in done.stderr
    assert done.stderr.endswith("(--prune)\n")
    assert "0 items; 0 added, 2 removed" in call(*arguments, "--prune").stdout


def test_a_dry_run_makes_no_gallery_and_names_what_it_would_do(call, folder, model, tmp_path):
    (folder / "notes.txt").touch()
    arguments = ["index", folder, "-o", tmp_path / "g", "--model", model]
    done = call(*arguments, "--dry-run", "--verbose")
    assert done.exit_code == 0, done.output
    assert done.stdout == (
        f"{tmp_path / 'g'}: 0 items; a dry run, which writes nothing: 4 added; 4 embedded\n"
        "  added: 0.png\n  added: 1.png\n  added: 2.png\n  added: 3.png\n"
    )
    assert done.stderr == "left out: notes.txt: .txt\n1 left out: 1 .txt\n"
    assert not (tmp_path / "g").exists()
    call(*arguments)
    assert json.loads(call(*arguments, "--json", "--dry-run").stdout)["ids"]["added"] == []
    full = call("index", folder, "-o", folder, "--model", model, "--dry-run")
    assert (full.exit_code, "something else" in full.stderr) == (2, True)


def test_files_none_of_which_can_be_read_leave_no_gallery(call, folder, model, tmp_path):
    for name in ("0", "1", "2", "3"):
        (folder / f"{name}.png").write_text("no image")
    done = call("index", folder, "-o", tmp_path / "g", "--model", model)
    assert done.exit_code == 2
    assert "4 images of" in done.stderr
    assert not (tmp_path / "g").exists()
    done = call("index", folder, "-o", tmp_path / "g", "--model", model, "--exclude", "*.png")
    assert done.exit_code == 2
    assert "(4 left out: 4 excluded)" in done.stderr


def test_kept_items_and_another_domain(call, folder, model, tmp_path):
    call("index", folder, "-o", tmp_path / "g", "--model", model)
    (folder / "0.png").unlink()
    done = call("index", folder, "-o", tmp_path / "g", "--keep", "--domain", "sketch")
    assert "4 items; 0 added, 3 replaced; 3 embedded" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{folder}", "-o", "http://127.0.0.1:9/c"], "(--model)"),
        (["{folder}", "-o", "{folder}", "--model", "{model}"], "something else"),
        (["{tmp}/nowhere", "-o", "{tmp}/g", "--model", "{model}"], "there is no"),
        (["{folder}", "-o", "{tmp}/g", "--model", "nowhere"], "no bundle"),
        (["{folder}", "-o", "{tmp}/g", "--model", "{model}", "--domain", "x"], "domain"),
        (["{folder}", "-o", "{tmp}/g", "--model", "{model}", "--metadata", "x.csv"], "x.csv"),
        (["synthetic:18", "-o", "{tmp}/g", "--model", "{model}", "--watch"], "a folder is watched"),
        (["{folder}", "-o", "http://127.0.0.1:9/c", "--model", "{model}"], "127.0.0.1:9"),
        (["{folder}"], "--out"),
    ],
)
def test_mistakes_are_one_line(call, folder, model, tmp_path, arguments, said):
    words = [a.format(folder=folder, tmp=tmp_path, model=model) for a in arguments]
    done = call("index", *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(p.name for p in folder.iterdir()) == [f"{i}.png" for i in range(4)]
    assert not (tmp_path / "g").exists()


def test_a_gallery_in_use_is_one_line(shell, call, folder, model, tmp_path):
    call("index", folder, "-o", tmp_path / "g", "--model", model)
    with Gallery.open(tmp_path / "g"):
        done = shell("index", folder, "-o", tmp_path / "g")
    assert done.returncode == 2
    assert "in use by another process" in done.stderr
    assert "let all ask the server" in done.stderr


@pytest.fixture
def running(tmp_path):
    """Starts a command line in the background; kills it in the end."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "cdim", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            # A shell that runs the tests in the background makes all its children deaf to Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def until(process, word):
    """The lines up to the first that holds a word."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if word in line:
            return lines
    raise AssertionError("".join(lines))


def test_a_watched_folder_is_followed_and_ctrl_c_ends_it(running, folder, model, tmp_path):
    place = tmp_path / "g"
    process = running("index", folder, "-o", place, "--model", model, "--watch")
    until(process, "watching")
    save(folder / "new.png", (9, 9, 9))
    until(process, "5 items; 1 added, 4 unchanged")
    with Gallery.open(place) as gallery:  # free between two scans
        assert gallery.count() == 5
        (folder / "0.png").unlink()
        until(process, "in use by another process")
    until(process, "4 items; 0 added, 1 removed")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def test_ctrl_c_leaves_a_whole_gallery_and_says_how_to_go_on(
    call, folder, model, tmp_path, monkeypatch
):
    for i in range(4, 100):
        save(folder / f"{i}.png", (i, 0, 0))
    encode, batches = Encoder.encode_pixels, []

    def stopped(self, pixels, domain):
        if batches:
            raise KeyboardInterrupt
        batches.append(len(pixels))
        return encode(self, pixels, domain)

    monkeypatch.setattr(Encoder, "encode_pixels", stopped)
    done = call("index", folder, "-o", tmp_path / "g", "--model", model)
    assert done.exit_code == 130
    assert done.stderr.endswith("the same command continues from there\n")
    monkeypatch.undo()
    done = call("index", folder, "-o", tmp_path / "g")
    assert f"{100 - batches[0]} added, {batches[0]} unchanged" in done.stdout
