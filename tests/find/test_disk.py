"""Galleries on disks: full ones, ended builds, files that lead elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile

import numpy as np
import pytest
from click.testing import CliRunner
from tests.find.conftest import plain

from cdim.bundles.queries import QueryImage
from cdim.cli.group import cdim
from cdim.errors import GalleryError
from cdim.find.gallery import Gallery
from cdim.find.items import Item
from cdim.find.stores import shard, store

RED, GREEN, BLUE = (250, 0, 0), (0, 250, 0), (0, 0, 250)


@pytest.fixture
def three(gallery):
    gallery.add([plain(RED), plain(GREEN), plain(BLUE)], ["red", "green", "blue"])
    return gallery


def test_a_sound_gallery_has_nothing_wrong(three):
    three.update("red", metadata={"price": -1.2056289599731099e-08, "day": "2024-01-01", "a": True})
    found = three.check()
    assert (found.sound, found.items, found.without_checksum) == (True, 3, 0)
    assert "3 items checked: nothing wrong" in str(found)


@pytest.mark.parametrize("part", ["vector", "thumb", "words", "sum", "id", "meta"])
def test_a_changed_record_is_found(three, part):
    point = next(p for p in three.store.points() if p.payload["id"] == "red")
    record, vector = dict(point.payload), list(point.vector)
    if part == "vector":
        vector[1] += 2**-20
    elif part == "thumb":
        record[part] = record[part].replace("A", "B", 1)
    elif part == "sum":
        record[part] = "0" * 16
    elif part == "id":
        record[part] = "green"
    else:
        record[part] = {"size": 3}
    three.store._upsert([(str(point.id), vector, record)])
    found = three.check()
    assert len(found.problems) == 1
    assert "restore a backup" in str(found)
    assert found.to_json()["sound"] is False


def test_records_of_older_versions_are_checked_for_what_can_be_known(three):
    for point in list(three.store.points()):
        record = {key: value for key, value in point.payload.items() if key != "sum"}
        if record["id"] == "red":
            record["thumb"] = record["thumb"][:40]
        three.store._upsert([(str(point.id), point.vector, record)])
    found = three.check()
    assert found.without_checksum == 3
    assert dict(found.problems) == {"red": "its thumbnail is no JPEG"}


def test_cdim_check_exits_with_0_1_and_2(three, place):
    three.close()
    command = CliRunner()
    done = command.invoke(cdim, ["check", str(place), "--json"])
    assert (done.exit_code, json.loads(done.stdout)["items"]) == (0, 3)
    with Gallery.open(place) as gallery:
        point = next(iter(gallery.store.points()))
        gallery.store._upsert([(str(point.id), [9.0, 9.0, 9.0], point.payload)])
    done = command.invoke(cdim, ["check", str(place)])
    assert (done.exit_code, done.stdout.splitlines()[-2]) == (1, "3 items checked: 1 problem")
    (place / "shard" / "items").write_text("4")
    done = command.invoke(cdim, ["check", str(place)])
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)


def test_lost_items_and_broken_files_are_one_line(three, place, capfd):
    three.close()
    assert (place / "shard" / "items").read_text() == "3"
    (place / "shard" / "items").write_text("4")
    with pytest.raises(GalleryError, match="4 items were written, 3 are there"):
        Gallery.open(place)
    status = next((place / "shard").rglob("vectors/status.dat"))
    status.write_bytes(b"")  # Rust panics
    with pytest.raises(GalleryError, match="corrupted"):
        Gallery.open(place)
    assert capfd.readouterr().err == ""


def full(monkeypatch, free):
    """Every disk has so many bytes left."""
    usage = shutil.disk_usage(tempfile.gettempdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))


def test_a_full_disk_refuses_changes_and_searches(three, place, encoder, monkeypatch):
    full(monkeypatch, shard.ROOM - 1)
    for change in (
        lambda: three.add([plain(GREEN)], ["new"]),
        lambda: three.put([Item("new")], np.zeros((1, 3))),
        lambda: three.remove(["red"]),
    ):
        with pytest.raises(GalleryError, match="is full"):
            change()
    assert len(three.search(QueryImage(plain(RED), "sketch"))) == 3
    with pytest.raises(GalleryError, match="is full"):
        Gallery.open(place.with_name("new"), encoder, create=True)
    three.close()
    full(monkeypatch, shard.ROOM - 1)
    with Gallery.open(place) as gallery:  # a copy: Qdrant Edge would write, and end the process
        assert "full" in gallery.store.read_only
        assert gallery.count() == 3


def test_a_build_can_be_ended_and_leaves_nothing_behind(three, place, monkeypatch, tmp_path):
    left = place / "shard" / "temp_segments" / "one"
    left.mkdir(parents=True)
    three.close()
    with Gallery.open(place) as gallery:
        assert not left.exists()
        monkeypatch.setattr(store, "HNSW_FROM", 0)
        gallery.optimise()
        assert gallery.count() == 3
        script, wait, building = tmp_path / "build.py", subprocess.Popen.wait, []

        def interrupted(process, timeout=None):
            if building:
                return wait(process, timeout)
            building.append(process)
            raise KeyboardInterrupt

        monkeypatch.setattr(shard, "_BUILD", script)
        script.write_text("import time; time.sleep(60)")
        with monkeypatch.context() as patch:
            patch.setattr(subprocess.Popen, "wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                gallery.optimise()
        assert building[0].returncode == -signal.SIGKILL
        assert gallery.count() == 3
        script.write_text("raise OSError('No space left on device')")
        with pytest.raises(GalleryError, match="is full"):
            gallery.optimise()
        assert gallery.count() == 3


@pytest.mark.parametrize("inside", ["gallery.json", "bundle/model.onnx", "shard/wal/open-1"])
def test_links_and_pipes_in_a_gallery_are_refused(place, three, inside, tmp_path):
    three.close()
    part = place / inside
    part.unlink(missing_ok=True)
    part.symlink_to("/etc/passwd")
    with pytest.raises(GalleryError, match="a link, a pipe"):
        Gallery.open(place)
    part.unlink()
    if inside != "gallery.json":
        os.mkfifo(part)
        with pytest.raises(GalleryError, match="a link, a pipe"):
            Gallery.open(place)
