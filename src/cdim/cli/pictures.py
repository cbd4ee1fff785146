"""Pictures in a terminal: by the protocols of kitty and iTerm2, else as coloured half blocks.

The environment says which one: a question to the terminal would mean to wait for an answer, and
to read it from the user's keyboard input.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping

import numpy as np
from PIL import Image

ROWS = 8  # lines of text that a picture is high
_CHUNK = 4096  # most characters that kitty accepts at a time
_CUBE = (0, 95, 135, 175, 215, 255)  # the levels of the 256 colours' cube


def picture(thumbnail: bytes, environment: Mapping[str, str] = os.environ) -> str:
    """An image file as text for the terminal, `ROWS` lines high, without a newline at its end.

    Args:
        thumbnail: content of an image file.
        environment: the variables that describe the terminal.
    """
    with Image.open(io.BytesIO(thumbnail)) as opened:
        image = opened.convert("RGB")
    terminal = environment.get("TERM_PROGRAM", "")
    if not environment.get("TMUX"):  # it would swallow pictures
        if terminal in ("iTerm.app", "WezTerm"):
            data = base64.b64encode(thumbnail).decode("ascii")
            return f"\x1b]1337;File=inline=1;height={ROWS};size={len(thumbnail)}:{data}\a"
        if terminal == "ghostty" or "KITTY_WINDOW_ID" in environment:
            return _kitty(image)
    return _half_blocks(image, environment.get("COLORTERM") in ("truecolor", "24bit"))


def _kitty(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode("ascii")
    parts = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    last = len(parts) - 1
    controls = [f"a=T,f=100,r={ROWS},q=2,"] + [""] * last
    return "".join(
        f"\x1b_G{control}m={int(number < last)};{part}\x1b\\"
        for number, (control, part) in enumerate(zip(controls, parts, strict=True))
    )


def _half_blocks(image: Image.Image, true_colour: bool) -> str:
    """Two pixels a character: the upper one as its colour, the lower one as its background."""
    width = max(1, round(2 * ROWS * image.width / image.height))
    pixels = np.asarray(image.resize((min(width, 6 * ROWS), 2 * ROWS))).astype(int)

    def code(colour: list[int]) -> str:
        if true_colour:
            return "2;" + ";".join(map(str, colour))
        r, g, b = (min(range(6), key=lambda level: abs(_CUBE[level] - c)) for c in colour)
        return f"5;{16 + 36 * r + 6 * g + b}"

    lines = []
    for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
        cells = (f"\x1b[38;{code(u)};48;{code(v)}m▀" for u, v in zip(upper, lower, strict=True))
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)
