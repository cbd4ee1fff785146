"""Hostile inputs through cdim's public face, in processes that may die.

    python tools/knocks/inputs.py --count 2000 --seed 0
    python tools/knocks/inputs.py --minutes 60 --only svg --only zips

Each input is read in a child process of its kind. The answer comes within `SECONDS`, in less than
`MEMORY` above what the process had, and is a result or an error of cdim's own. Faults are all else:
a traceback, a panic or a warning on stderr, a process that ends, the planted secret opened or
copied, a file opened for writing outside, a program or a connection. The last lines are figures,
and every fault with the words that repeat it; the exit code is 1 if there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from hostile import KINDS, SECRET, Home

from cdim.errors import CdimError

SECONDS, MEMORY = 10.0, 2**30
HANGS = 60.0  # seconds after which a child is ended
BATCH = 40  # inputs a child, at most
_NOISE = ("Traceback", "panicked", "Warning:", "terminate called")


def memory(key: str) -> int:
    """VmRSS or VmHWM of this process, bytes."""
    text = Path("/proc/self/status").read_text()
    return 1024 * int(text.partition(key + ":")[2].split()[0])


class Watched:
    """Notes files that Python opens where it should not, through an audit hook."""

    def __init__(self, home: Path) -> None:
        self.home, self.on, self.seen = home, False, set[str]()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.on or event not in ("open", "socket.connect", "subprocess.Popen", "os.system"):
            return
        if event != "open":
            self.seen.add(f"{event} {given[1:2]}")
        elif isinstance(given[0], str | bytes | os.PathLike):
            path = os.path.realpath(os.fsdecode(given[0]))
            writes = (given[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            inside = path.startswith((str(self.home), "/dev/", "/proc/"))
            if path.startswith(str(self.home / "outside")) or path == "/etc/passwd":
                self.seen.add(f"read {path}")
            elif writes and not inside:
                self.seen.add(f"wrote {path}")


def knock(kind: str, seed: int, number: int, home: Home, watched: Watched) -> dict[str, Any]:
    """Runs one input; its outcome, seconds and bytes."""
    here = home.folder / f"{kind}-{number}"
    here.mkdir()
    call = KINDS[kind](Random(f"{kind} {seed} {number}"), home, here)
    Path("/proc/self/clear_refs").write_text("5")
    idle, began, what = memory("VmRSS"), time.perf_counter(), "read"
    watched.seen, watched.on = set(), True
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            # Verbs and requests have numbers: 2 is refused.
            what = "refused" if call() == 2 else "read"
    except CdimError as error:
        what = "refused"
        if "\n" in str(error):
            what = f"an error of several lines: {error}"
    except BaseException:
        what = traceback.format_exc(limit=-6)
    watched.on = False
    took, peak = time.perf_counter() - began, memory("VmHWM") - idle
    said = Path(os.environ["KNOCKS_ERR"]).read_text("utf-8", "replace")
    os.truncate(os.environ["KNOCKS_ERR"], 0)
    if any(word in said for word in _NOISE):
        what = f"said: {said[-2000:]}"
    elif watched.seen:
        what = f"outside: {sorted(watched.seen)}"
    elif any(
        SECRET in p.read_bytes()
        for p in here.rglob("*")
        if p.is_file() and not p.is_symlink() and p.suffix != ".zip"
    ):
        what = "copied the secret"
    elif took > SECONDS:
        what = f"slow: {what}"
    elif peak > MEMORY:
        what = f"large: {what}"
    shutil.rmtree(here)
    return {"n": number, "what": what, "s": took, "bytes": peak}


def child(kind: str, seed: int, first: int, last: int, folder: Path) -> None:
    """Runs some inputs of a kind, a line of JSON each."""
    home = Home(folder)
    home.encoder.encode(folder / "photos")  # all that takes memory once
    home.gallery.search(folder / "photos" / "1.png")
    if kind == "recipe":
        knock(kind, seed, 0, home, Watched(folder))  # imports PyTorch
    watched = Watched(folder)
    out = os.fdopen(os.dup(1), "w")
    for number in range(first, last):
        print(json.dumps({"start": number}), file=out, flush=True)
        print(json.dumps(knock(kind, seed, number, home, watched)), file=out, flush=True)


def run(kind: str, seed: int, first: int, last: int, folder: Path) -> list[dict[str, Any]]:
    """Inputs of a kind in children; what ends a child is its own outcome."""
    found: list[dict[str, Any]] = []
    errors = folder / "stderr"
    while first < last:
        words = [sys.executable, __file__, "--child", kind, *map(str, (seed, first, last, folder))]
        environment = {**os.environ, "KNOCKS_ERR": str(errors), "TMPDIR": str(folder / "tmp")}
        environment.pop("CDIM_DATA", None)
        with errors.open("a") as err:
            done = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=err, env=environment, cwd=folder
            )
        started, buffer = first - 1, b""
        while True:
            if not select.select([done.stdout], [], [], HANGS)[0]:
                done.kill()
                break
            part = os.read(done.stdout.fileno(), 1 << 16)
            if not part:
                break
            *rows, buffer = (buffer + part).split(b"\n")
            for row in map(json.loads, rows):
                started = row.get("start", started)
                found += [row] if "what" in row else []
        code = done.wait()
        if not found or found[-1]["n"] < last - 1:
            said = errors.read_text("utf-8", "replace")[-1500:]
            found.append(
                {
                    "n": max(started, first),
                    "what": f"the process ended ({code}): {said}",
                    "s": HANGS,
                    "bytes": 0,
                }
            )
        first = found[-1]["n"] + 1
    return found


def main() -> int:
    """Parses, runs, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=2000, help="inputs, over all kinds")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input of a kind")
    parser.add_argument("--only", action="append", choices=[*KINDS], help="kinds; all without")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        kind, *numbers, folder = given.child
        child(kind, *map(int, numbers), Path(folder))
        return 0
    kinds, end = given.only or [*KINDS], time.monotonic() + 60 * given.minutes
    each, all_of = -(-given.count // len(kinds)), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="knocks-") as place:
        folder = Path(place).resolve()
        (folder / "tmp").mkdir()
        Home(folder)
        outside = sorted(p.name for p in (folder / "outside").iterdir())
        found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
        for step in range(given.first, given.first + each, BATCH):
            for kind in kinds:
                if time.monotonic() < end:
                    last = min(step + BATCH, given.first + each)
                    found[kind] += run(kind, given.seed, step, last, folder)
        for kind, rows in found.items():
            if not rows:
                continue
            wrong = [row for row in rows if row["what"] not in ("read", "refused")]
            known = Counter(row["what"] for row in rows if row not in wrong)
            all_of.update(known, inputs=len(rows), faults=len(wrong))
            print(
                f"{kind:<9}{len(rows):>6} inputs {known['read']:>6} read {known['refused']:>6} "
                f"refused {len(wrong):>4} faults; at most {max(row['s'] for row in rows):5.1f} s, "
                f"{max(row['bytes'] for row in rows) / 2**20:5.0f} MiB"
            )
            for row in wrong:
                print(
                    f"  --only {kind} --seed {given.seed} --first {row['n']} --count 1: "
                    + row["what"].strip()
                )
        if outside != sorted(p.name for p in (folder / "outside").iterdir()):
            all_of["faults"] += 1
            print("files outside have changed")
        print(
            ", ".join(f"{all_of[key]:,} {key}" for key in ("inputs", "read", "refused", "faults"))
        )
    return 1 if all_of["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
