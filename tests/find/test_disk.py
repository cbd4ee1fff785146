"""Galleries on disks: full ones, ended builds, files that lead elsewhere."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time

import numpy as np
import pytest
from tests.find.conftest import plain

from cdim.bundles.queries import QueryImage
from cdim.errors import GalleryError
from cdim.find.gallery import Gallery
from cdim.find.items import Item
from cdim.find.stores import shard, store

RED, GREEN, BLUE = (250, 0, 0), (0, 250, 0), (0, 0, 250)


@pytest.fixture
def three(gallery):
    gallery.add([plain(RED), plain(GREEN), plain(BLUE)], ["red", "green", "blue"])
    return gallery


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
    full(monkeypatch, shard.ROOM // 8 - 1)
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
        script, main = tmp_path / "build.py", threading.main_thread().ident
        monkeypatch.setattr(shard, "_BUILD", script)
        script.write_text("import time; time.sleep(60)")
        threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            gallery.optimise()
        assert time.monotonic() - start < 2
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
