"""Kills processes that change a gallery, at random moments, and looks what is left.

    python tools/knocks/kills.py --kills 100

Each round one process indexes, indexes again, adds, deletes, builds the search graph or serves, and
tells what it finished; SIGKILL ends it. The next opening must succeed and hold what was told, and
the disk may hold 1 % more than the same gallery that nobody killed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from cdim.bundles.bundle import Bundle, load_bundle
from cdim.cli.group import cdim
from cdim.data.thumbnails import thumbnail
from cdim.find.gallery import Gallery
from cdim.find.items import Item
from cdim.find.stores import store

VERBS = ("index", "re-index", "add", "delete", "optimise", "serve")
MANY = 2000  # items from which a graph takes about a second
store.HNSW_FROM = 1


class Colours:
    """An encoder that takes no time: a vector from an image's mean colour."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def encode_pixels(self, pixels: list[np.ndarray], domain: str) -> np.ndarray:  # noqa: ARG002
        """Embeddings (n, dim)."""
        time.sleep(0.002 * len(pixels))
        return np.array(
            [np.resize(p.reshape(-1, 3).mean(0), self.bundle.dim) for p in pixels], "f4"
        )


def work(verb: str, home: Path, number: int, tell: Callable[[str, list[str]], None]) -> None:
    """What a verb does, telling what is finished."""
    place, photos = home / "gallery", home / "photos"
    if verb == "serve":
        os.environ["CDIM_TOKEN"] = "knock-knock-knock"  # noqa: S105 - of a server that is killed
        cdim(["serve", str(place), "--port", "0"], prog_name="cdim", standalone_mode=False)
        return
    with Gallery.open(place, Colours(load_bundle("default"))) as gallery:
        put = gallery.put

        def told(items: list[Item], vectors: np.ndarray) -> None:
            put(items, vectors)
            tell("put", [item.id for item in items])

        gallery.put = told  # type: ignore[method-assign]
        tell("open", [])
        rng = np.random.default_rng(number)
        if verb in ("index", "re-index"):
            gallery.index(photos)
        elif verb == "add":
            for i in range(50):
                pixels = rng.integers(0, 255, (40, 30, 3), dtype=np.uint8)
                gallery.add([pixels], [f"added {number} {i}"])
        elif verb == "delete":
            ids = [item.id for item in gallery.items(limit=30)[0]]
            for one in ids:
                tell("deleting", [one])
                gallery.remove([one])
                tell("deleted", [one])
        else:
            gallery.optimise()


class Rounds:
    """What was acknowledged, and what was found."""

    def __init__(self, home: Path, seed: int) -> None:
        self.home = home
        self.rng = random.Random(seed)
        self.safe: set[str] = set()
        self.unsure: set[str] = set()
        self.counts: Counter[str] = Counter()

    def kill(self, verb: str, number: int) -> None:
        """One process, killed."""
        photos = self.home / "photos"
        for i in range(20 if verb in ("index", "re-index") else 0):
            name = f"{number if verb == 'index' else 0} {i}.png"
            colour = tuple(self.rng.randrange(256) for _ in range(3))
            Image.new("RGB", (20, 20), colour).save(photos / name)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

            def tell(kind: str, ids: list[str]) -> None:
                os.write(write, json.dumps([kind, ids]).encode() + b"\n")

            try:
                work(verb, self.home, number, tell)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        os.close(write)
        with os.fdopen(read) as pipe:
            # Two of three after the opening, which takes a second; the others at any time.
            first = [pipe.readline()] if verb != "serve" and number % 3 else []
            time.sleep(self.rng.uniform(0.0, 0.5 if first else 2.0))
            os.kill(pid, signal.SIGKILL)
            lines = [line for line in [*first, *pipe] if line.endswith("\n")]
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.counts[f"{verb} killed"] += code == -signal.SIGKILL
        self.counts["failed by itself"] += code == 1
        for line in lines:
            self.heard(*json.loads(line))
        self.counts["kills"] += 1

    def heard(self, kind: str, ids: list[str]) -> None:
        """Takes down what a process finished."""
        self.counts["acknowledged"] += kind in ("put", "deleted") and len(ids)
        if kind == "put":
            self.safe |= set(ids)
        elif kind == "deleting":
            self.safe -= set(ids)
            self.unsure |= set(ids)

    def look(self) -> None:
        """Opens and compares."""
        place = self.home / "gallery"
        if os.fork() == 0:
            try:
                with Gallery.open(place) as gallery:
                    found = gallery.check()
                    there = {item.id for item in gallery.items(limit=100_000)[0]}
                (self.home / "found").write_text(json.dumps([found.to_json(), sorted(there)]))
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        if os.waitstatus_to_exitcode(os.wait()[1]):
            self.counts["failed reopenings"] += 1
            return
        found, there = json.loads((self.home / "found").read_text())
        self.counts["damaged items"] += len(found["problems"])
        self.counts["lost items"] += len(self.safe - set(there))


def used(folder: Path) -> int:
    """Bytes on the disk."""
    return sum(512 * path.stat().st_blocks for path in folder.rglob("*"))


def make(place: Path) -> list[str]:
    """A gallery with a search graph; its ids."""
    rng = np.random.default_rng(0)
    small = thumbnail(rng.integers(0, 255, (60, 60, 3), dtype=np.uint8))
    items = [Item(f"made {i}", digest=str(i), thumbnail=small) for i in range(MANY)]
    with Gallery.open(place, "default", create=True) as gallery:
        gallery.put(items, rng.normal(size=(MANY, gallery.bundle.dim)).astype(np.float32))
    return [item.id for item in items]


def apart(work: Callable[[], object]) -> None:
    """Runs in a process of its own: a process that opened a gallery must not fork."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.waitpid(pid, 0)


def settle(place: Path, copy: Path) -> None:
    """Builds what is to build, and puts the same items into a gallery that nobody killed."""
    with Gallery.open(place) as gallery:
        gallery.optimise()
        found = list(gallery.store.all())
        whole = gallery.store.get([f.item.id for f in found], vectors=True, thumbnails=True)
    with Gallery.open(copy, "default", create=True) as other:
        other.put([f.item for f in whole], np.array([f.vector for f in whole], dtype=np.float32))
        other.optimise()


def main() -> None:
    """Kills, looks, counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "photos").mkdir()
        rounds = Rounds(home, given.seed)
        apart(lambda: make(home / "gallery"))
        rounds.safe |= {f"made {i}" for i in range(MANY)}
        for number in range(given.kills):
            rounds.kill(VERBS[(number + number // len(VERBS)) % len(VERBS)], number)
            rounds.look()
        apart(lambda: settle(home / "gallery", home / "copy"))
        rounds.counts["MB at the end"] = used(home / "gallery") // 10**6
        rounds.counts["MB of the same, unkilled"] = used(home / "copy") // 10**6
    json.dump(dict(rounds.counts), sys.stdout)
    print()
    wrong = ("lost items", "failed reopenings", "damaged items")
    sys.exit(1 if any(rounds.counts[name] for name in wrong) else 0)


if __name__ == "__main__":
    main()
