"""Takes docs/page.jpg, the picture in the README, from the real page in Chromium.

    cdim demo
    python tools/still.py runs/demo/gallery

The gallery holds made-up products; one made-up sketch is drawn on the page with the mouse.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from cdim.data.synthetic.dataset import strokes

STILL = Path(__file__).resolve().parent.parent / "docs" / "page.jpg"
SKETCH = "synthetic:shoe/1/2/sketch/1/0"
SIZE = {"width": 1120, "height": 604}


def main(gallery: str, sketch: str = SKETCH) -> None:
    """Serves the gallery, draws the sketch, and writes the picture."""
    command = [sys.executable, "-m", "cdim", "serve", gallery, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        lines = iter(server.stdout.readline, "")
        address = next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
        with sync_playwright() as play:
            browser = play.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")
            page.goto(address)
            page.locator("#hits > li").first.wait_for()
            box = page.locator("#canvas").bounding_box()
            scale = box["width"] / 256
            for line in strokes(sketch).lines:
                points = [(box["x"] + x * scale, box["y"] + y * scale) for x, y in line.tolist()]
                page.mouse.move(*points[0])
                page.mouse.down()
                for point in points[1:]:
                    page.mouse.move(*point)
                page.mouse.up()
            page.mouse.move(0, 0)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=STILL, type="jpeg", quality=80)
            browser.close()
        server.terminate()


if __name__ == "__main__":
    main(*sys.argv[1:])
