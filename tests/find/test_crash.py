"""Kill -9 at random moments while a folder is indexed, in processes of their own.

Run as a script, this file is the one that kills. It never opens the gallery itself, so it may
fork: a child needs no time to start, opens the gallery, tells what is in it, and indexes. What
the child said was safe must be what the next child finds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.find.conftest import Counting, save
from tests.made import mean_colours

from cdim.find.gallery import Gallery
from cdim.find.index import indexing
from cdim.find.index.sources import Source
from cdim.find.stores import store

KILLS = 50
ROOT = Path(__file__).resolve().parent.parent.parent


def test_nothing_acknowledged_is_lost_in_fifty_kills(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.find.test_crash", str(tmp_path), str(KILLS)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kills"] == KILLS
    assert told["while indexing"] >= KILLS // 3
    assert told["acknowledged"] >= KILLS


def child(place, folder, bundle, out):
    """Opens, tells what is there, indexes and tells what is safe; every line a JSON value."""
    indexing.BATCH, indexing.FLUSH = 2, 5  # many moments of every kind
    store.HNSW_FROM = 1

    def tell(value):
        os.write(out, json.dumps(value).encode() + b"\n")

    class Slow(Counting):
        def encode_pixels(self, pixels, domain):
            time.sleep(0.003)
            return super().encode_pixels(pixels, domain)

    with Gallery.open(place, Slow(bundle), create=True) as gallery:
        found = gallery.store.page((), 10_000, vectors=True)[0]
        tell([[f.item.id, f.vector.tolist(), len(found)] for f in found])
        put = gallery.put

        def told(items, vectors):
            put(items, vectors)
            tell([item.id for item in items])

        gallery.put = told
        listing = Source(str(folder)).listed(gallery.bundle)
        indexing.index(gallery, listing)
        found = gallery.store.page((), 10_000, vectors=True)[0]
        tell([[f.item.id, f.vector.tolist(), len(found)] for f in found])


class Round:
    """What is in the folder, and what the gallery said it holds."""

    def __init__(self, home):
        self.place, self.folder = home / "gallery", home / "photos"
        self.bundle = mean_colours(home / "bundle")
        self.random = random.Random(0)
        self.colours = {}  # file: colour
        self.safe = {}  # id: the colour that was acknowledged
        self.number = 0

    def change_folder(self):
        """New files, a changed one and one that goes."""
        for _ in range(12):
            self.number += 1
            self.paint(f"{self.number}.png")
        self.paint(self.random.choice(list(self.colours)))
        gone = self.random.choice(list(self.colours))
        (self.folder / gone).unlink()
        del self.colours[gone]

    def paint(self, name):
        self.colours[name] = tuple(self.random.randrange(256) for _ in range(3))
        save(self.folder / "new.tmp.png", self.colours[name])
        os.replace(self.folder / "new.tmp.png", self.folder / name)

    def run(self, wait, heard=0):
        """One child, killed `wait` seconds after that many lines (None: never); its lines."""
        read, write = os.pipe()
        before = dict(self.colours)
        pid = os.fork()
        if pid == 0:
            os.close(read)
            try:
                child(self.place, self.folder, self.bundle, write)
                os._exit(0)
            except BaseException as error:
                os.write(2, repr(error).encode())
                os._exit(1)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            first = [pipe.readline() for _ in range(heard)]
            if wait is not None:
                time.sleep(wait)
                os.kill(pid, signal.SIGKILL)
            lines = [json.loads(line) for line in [*first, *pipe] if line.endswith(b"\n")]
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in ((0,) if wait is None else (0, -signal.SIGKILL)), code
        self.check(lines[0] if lines else None, before)
        for put in lines[1:] if code else lines[1:-1]:
            self.safe.update({name: before[name] for name in put})
        return lines

    def check(self, found, colours):
        """Nothing acknowledged is missing, nothing is there twice, every vector is right."""
        if found is None:
            return
        vectors = {name: tuple(vector) for name, vector, _ in found}
        assert len(vectors) == len(found)
        for name, colour in self.safe.items():
            if name in colours:
                assert vectors[name] in (colour, colours[name]), (name, vectors[name], colour)
            elif name in vectors:
                assert vectors[name] == colour


def main(home, kills):
    """Kills, checks, and lets the last run complete the rest."""
    rounds = Round(Path(home))
    rounds.folder.mkdir()
    inside = acknowledged = 0
    for number in range(kills):
        rounds.change_folder()
        heard = number % 3  # nothing; the gallery is open; the first images are safe
        lines = rounds.run(rounds.random.uniform(0.0, 0.1 if heard else 0.4), heard)
        inside += len(lines) > 1
        acknowledged += sum(map(len, lines[1:]))
    first, *_, last = rounds.run(None)
    assert {name: tuple(vector) for name, vector, _ in last} == rounds.colours
    assert last[0][2] == len(rounds.colours)
    assert len(first) > 0
    again = rounds.run(None)
    assert len(again) == 2, "the second run put something"
    json.dump({"kills": kills, "while indexing": inside, "acknowledged": acknowledged}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
