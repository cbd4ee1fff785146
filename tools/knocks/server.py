"""Knocks at `cdim serve`: python tools/knocks/server.py [SECONDS].

On a gallery of 24 made-up photos, for SECONDS (15) each: nothing else, idle and dripping
connections, large JSON, slow images. Somebody honest searches by strokes meanwhile. Then a stop
while images decode. Prints what the honest one waited, what the server's memory and log grew by,
and how long the stop took.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

import cdim

IDLE, DRIPPING = 1_100, 100
SEARCH = {"query": [{"strokes": [[[10, 90], [200, 80]], [[10, 90], [30, 40]]]}]}
HEAD = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BAD_JSON = b'{"query": [{"strokes": [[' + b",".join([b'["x", "y"]'] * 1_000_000) + b"]]}]}"


class Target:
    """A running server.

    Args:
        process: of `cdim serve`.
        host, port: where it listens.
        log: the file of its standard error.
    """

    def __init__(self, process: subprocess.Popen[bytes], host: str, port: int, log: Path) -> None:
        self.process, self.host, self.port, self.log = process, host, port, log
        self.base = f"http://{host}:{port}"

    def line(self, data: bytes) -> socket.socket:
        """A connection that has sent some bytes."""
        made = socket.create_connection((self.host, self.port), timeout=10)
        made.sendall(data)
        return made

    def memory(self) -> int:
        """Most bytes of memory it has had."""
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        return 1024 * int(found[1]) if found else 0


@contextmanager
def serving(folder: Path) -> Iterator[Target]:
    """A server of a new gallery."""
    with cdim.Gallery.open(folder / "gallery", "default", create=True) as gallery:
        gallery.index("synthetic:24")
    log = folder / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "cdim", "serve", str(folder / "gallery"), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    found = re.search(rb"http://([\d.]+):(\d+)/", process.stdout.readline())
    if found is None:
        raise SystemExit(log.read_text())
    target = Target(process, found[1].decode(), int(found[2]), log)
    try:
        while httpx.get(f"{target.base}/readyz").status_code != 200:
            time.sleep(0.2)
        yield target
    finally:
        process.kill()
        process.wait()


def honest(target: Target, seconds: float) -> str:
    """What somebody honest waited who searches five times a second."""
    waited, failed = [], 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.monotonic()
        try:
            httpx.post(f"{target.base}/v1/search", json=SEARCH, timeout=60).raise_for_status()
        except httpx.HTTPError:
            failed += 1
        waited.append(time.monotonic() - started)
        time.sleep(0.2)
    median, longest = np.median(waited), max(waited)
    return (
        f"{len(waited)} searches, {failed} failed, median {median:.2f} s, longest {longest:.2f} s"
    )


def many(target: Target, stop: threading.Event) -> None:
    """Opens idle connections, and drips headers and bodies; opens anew what is closed."""
    kinds = (
        [b""] * IDLE
        + [b"GET / HT"] * DRIPPING
        + [HEAD + b"Content-Length: 9999\r\n\r\n{"] * DRIPPING
    )
    lines: dict[int, socket.socket] = {}
    while not stop.is_set():
        for number, data in enumerate(kinds):
            if stop.is_set():
                break
            try:
                if number not in lines:
                    lines[number] = target.line(data)
                elif data:
                    lines[number].sendall(b" ")
                elif lines[number].recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b"":
                    lines.pop(number).close()
            except BlockingIOError:
                pass
            except OSError:
                if number in lines:
                    lines.pop(number).close()
    for line in lines.values():
        line.close()


def bad_json(target: Target, stop: threading.Event) -> None:
    """Sends JSON of a million wrong points, four at a time."""
    headers = {"Content-Type": "application/json"}
    _repeat(
        lambda: httpx.post(
            f"{target.base}/v1/search", content=BAD_JSON, headers=headers, timeout=60
        ),
        stop,
    )


def slow_images(target: Target, stop: threading.Event) -> None:
    """Sends searches of 16 images of 8,000 x 8,000 pixels, four at a time."""
    out = io.BytesIO()
    Image.new("L", (8_000, 8_000), 255).save(out, "PNG")
    files = [("image", ("x.png", out.getvalue()))] * 16
    _repeat(lambda: httpx.post(f"{target.base}/v1/search", files=files, timeout=60), stop)


def _repeat(ask: Callable[[], httpx.Response], stop: threading.Event) -> None:
    codes: Counter[int] = Counter()

    def work() -> None:
        while not stop.is_set():
            with suppress(httpx.HTTPError):
                codes[ask().status_code] += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"  their answers: {json.dumps(codes)}")


def main() -> None:
    """Runs all of it."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 15
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    with tempfile.TemporaryDirectory() as made, serving(Path(made)) as target:
        resource.prlimit(target.process.pid, resource.RLIMIT_NOFILE, (1024, hard))
        print(f"alone: {honest(target, seconds)}; memory {target.memory() / 2**20:.0f} MiB")
        for attack in (many, bad_json, slow_images):
            stop, before = threading.Event(), target.memory()
            attacker = threading.Thread(target=attack, args=(target, stop))
            attacker.start()
            time.sleep(2)
            print(f"{attack.__name__}: {honest(target, seconds)}")
            if attack is slow_images:
                stop.set()  # who cannot connect would take the processor; what was asked still runs
                started = time.monotonic()
                os.kill(target.process.pid, signal.SIGTERM)
                code = target.process.wait(60)
                print(f"  stopped with {code} after {time.monotonic() - started:.1f} s")
            else:
                grown, log = target.memory() - before, target.log.stat().st_size
                print(f"  memory + {grown / 2**20:.0f} MiB at most, log {log:,} bytes")
            stop.set()
            attacker.join()
        print(f"log: {target.log.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
