"""Damages every file of a small gallery, one at a time, and opens, checks and searches it.

    python tools/knocks/gallery_files.py --mutants 300

No mutant may end a process by a signal, print a traceback or a panic, or give more than one line of
error. Printed is how many were refused, found by `cdim check`, or unnoticed by it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

import numpy as np

from cdim.cli.group import cdim
from cdim.data.thumbnails import thumbnail
from cdim.find.gallery import Gallery
from cdim.find.items import Item
from cdim.find.stores import store

ITEMS = 300
KINDS = ("one bit", "16 bytes", "a page of zeros", "cut in half", "empty", "deleted")


def make(place: Path) -> None:
    """A gallery with metadata, thumbnails and a search graph."""
    store.HNSW_FROM = 1
    rng = np.random.default_rng(0)
    with Gallery.open(place, "default", create=True) as gallery:
        small = [thumbnail(rng.integers(0, 255, (60, 60, 3), dtype=np.uint8)) for _ in range(9)]
        items = [
            Item(f"{i}.jpg", digest=str(i), metadata={"kind": "abc"[i % 3]}, thumbnail=small[i % 9])
            for i in range(ITEMS)
        ]
        vectors = rng.normal(size=(ITEMS, gallery.bundle.dim)).astype(np.float32)
        gallery.put(items[: ITEMS // 2], vectors[: ITEMS // 2])
        gallery.optimise()
        gallery.put(items[ITEMS // 2 :], vectors[ITEMS // 2 :])
        gallery.remove([items[0].id])


def damage(file: Path, kind: str, rng: random.Random) -> None:
    """Changes a file."""
    content = bytearray(file.read_bytes())
    used = len(content.rstrip(b"\0")) or len(content)  # Qdrant Edge leaves most of its files empty
    at = rng.randrange(used) if used else 0
    if kind == "one bit" and content:
        content[at] ^= 1 << rng.randrange(8)
    elif kind == "16 bytes":
        content[at : at + 16] = rng.randbytes(min(16, len(content) - at))
    elif kind == "a page of zeros":
        content[at : at + 4096] = bytes(min(4096, len(content) - at))
    elif kind == "cut in half":
        content = content[: used // 2]
    elif kind == "empty":
        content.clear()
    file.write_bytes(content)
    if kind == "deleted":
        file.unlink()


def run(home: Path, *words: str) -> tuple[int, str]:
    """The exit code of a command line in a process of its own, negative for a signal; its lines."""
    said = home / "said"
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        try:
            cdim(list(words), prog_name="cdim")
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(int(end.code or 0))
        except BaseException:  # as the interpreter does, but the folder stays
            traceback.print_exc()
            os._exit(70)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code, said.read_text(errors="replace")


def main() -> None:
    """Damages, runs, counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        whole = home / "whole"
        if os.fork() == 0:
            make(whole)
            os._exit(0)
        os.wait()
        files = sorted(str(p.relative_to(whole)) for p in whole.rglob("*") if p.is_file())
        jobs = [(file, kind) for kind in KINDS for file in files]
        rng.shuffle(jobs)
        for file, kind in (jobs * 9)[: given.mutants]:
            place = home / "gallery"
            shutil.copytree(whole, place)
            damage(place / file, kind, rng)
            checked, line = run(home, "check", str(place))
            searched, found = run(home, "search", str(place), "--like", "5.jpg")
            shutil.rmtree(place)
            both = line + found
            fault = min(checked, searched) < 0 or "Traceback" in both or "panicked" in both
            refused = [n for n in (line, found) if n.startswith("error")]
            fault = fault or any(len(n.splitlines()) > 1 for n in refused)
            counts["mutants"] += 1
            counts["faults"] += fault
            counts[{0: "unnoticed", 1: "found by cdim check"}.get(checked, "refused")] += 1
            if fault or given.verbose:
                print(
                    file, kind, checked, searched, both[-500:] if fault else line[:90], flush=True
                )
    json.dump(dict(counts), sys.stdout)
    print()
    sys.exit(1 if counts["faults"] else 0)


if __name__ == "__main__":
    main()
