"""Hostile bytes and values: damaged pictures, odd drawings, strokes and arrays."""

from __future__ import annotations

import io
import struct
import zlib
from random import Random
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

NUMBERS = [
    0,
    -1,
    1,
    2,
    1.5,
    1e308,
    -1e308,
    1e-308,
    2**31,
    2**63,
    10**30,
    float("nan"),
    float("inf"),
]
ODD = [
    *NUMBERS,
    None,
    True,
    "",
    "x",
    "\x1b[2J",
    "\0",
    "\ud800",
    "../x",
    "=1+1",
    [],
    {},
    [[]],
    [None],
]


def mutated(r: Random, content: bytes) -> bytes:
    """Bytes changed, cut, added, or whole blocks doubled."""
    out = bytearray(content)
    for _ in range(r.choice([0, 1, 1, 2, 4, 16])):
        at, kind = r.randrange(len(out) or 1), r.randrange(6)
        if kind == 0:
            out[at : at + 1] = bytes([r.randrange(256)])
        elif kind == 1:
            out[at : at + 4] = struct.pack(r.choice("<>") + "I", r.choice([0, 1, 2**31, 2**32 - 1]))
        elif kind == 2:
            del out[at : at + r.randrange(1, 200)]
        elif kind == 3:
            out[at:at] = r.randbytes(r.randrange(1, 20))
        elif kind == 4:
            out[at:at] = out[at : at + r.randrange(1, 5000)] * r.choice([1, 2, 30])
        elif r.random() < 0.3:
            del out[at:]
    return bytes(out)


def any_json(r: Random, depth: int = 4) -> Any:
    """Some value, often odd."""
    kind = r.randrange(6 if depth else 2)
    if kind < 3:
        return r.choice(ODD)
    if kind == 3:
        return [
            [
                [r.choice(NUMBERS) for _ in range(r.choice([2, 2, 3, 1]))]
                for _ in range(r.randrange(4))
            ]
        ]
    if kind == 4:
        return [any_json(r, depth - 1) for _ in range(r.randrange(5))]
    keys = ["strokes", "drawing", "width", "x", "", "word", "points", "columns"]
    return {r.choice(keys): any_json(r, depth - 1) for _ in range(r.randrange(4))}


def picture(r: Random) -> bytes:
    """A damaged picture, or one that asks for much."""
    if r.random() < 0.15:
        side = r.choice([6000, 15000, 60000, 2**31 - 1])
        head = struct.pack(
            ">IIBBBBB", side, side, r.choice([1, 8, 16]), r.choice([0, 2, 3, 6]), 0, 0, 0
        )
        body = zlib.compress(bytes(r.choice([10, 10**6, 3 * 10**7])), 9)
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
        )
    size = r.choice([(1, 1), (64, 48), (1, 3000), (700, 500)])
    image = Image.effect_noise(size, r.choice([1, 90])).convert(r.choice(["L", "RGB", "P", "1"]))
    file = io.BytesIO()
    form = r.choice(
        ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "AVIF", "HEIF", "TGA", "ICO"]
    )
    how: dict[str, Any] = {"progressive": r.random() < 0.5} if form == "JPEG" else {}
    if form in ("GIF", "TIFF", "WEBP") and r.random() < 0.5:
        how.update(save_all=True, append_images=[image] * r.choice([1, 50]))
    try:
        image.convert("RGB" if form in ("JPEG", "WEBP", "AVIF", "HEIF") else image.mode).save(
            file, form, **how
        )
    except (KeyError, OSError, ValueError):  # this Pillow writes no such file
        image.convert("RGB").save(file, "PNG")
    return mutated(r, file.getvalue())


def drawing(r: Random, secret: str) -> bytes:
    """An SVG that may name the URL of a file."""
    n = r.choice([1, 100, 4000, 100_000])
    number = r.choice(
        ["1" * n, "1e999", "-", "nan", "1 " * n, ".1.1" * n, "0x1", "", "1e-400", "9" * 40]
    )
    parts = [
        f"<style>{' ' * n}</style>",
        f"<style>{'a{' * n}</style>",
        f'<polyline points="{number}"/>',
        f'<text font="{number}">x</text>',
        f'<g transform="{"rotate(" * n}{number}"><path d="M0 0L9 9"/></g>',
        f'<path fill="rgb({number}" stroke="url(#{"a" * n})" d="M0 0L9 9"/>',
        f'<path d="M0 0{"z" * n}"/>',
        f'<path d="M0 0{"c1 1 2 2 3 3" * n}"/>',
        f'<path d="M{number}L{number}A{number}"/>',
        f'<rect width="{number}" height="{number}" rx="{number}"/>',
        "<g>" * min(n, 20_000) + "<path d='M0 0L9 9'/>" + "</g>" * min(n, 20_000),
        "<path d='M0 0L9 9'/>" * n,
        f'<image href="{r.choice([secret, "http://127.0.0.1:1/x", "data:,x"])}"/>',
        '<g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g><use href="#a"/>',
        "".join(
            f'<g id="u{i}">{f"<use href=%#u{i + 1}%/>" * 9}</g>'.replace("%", '"')
            for i in range(30)
        )
        + '<path id="u30" d="M0 0L9 9"/><use href="#u0"/>',
        f'<use href="{secret}#x"/>',
        "&x;" * min(n, 1000),
    ]
    entities = [f'SYSTEM "{secret}"', '"zzzzzzzz"> <!ENTITY x "&x;&x;&x;&x;"']
    entity = r.choice(["", "", *(f"<!DOCTYPE svg [<!ENTITY x {e}>]>" for e in entities)])
    box = r.choice(["0 0 9 9", "0 0 0 0", number[:9000], f"0 0 1e{r.choice([9, 300])} 1"])
    body = "".join(r.sample(parts, r.choice([1, 1, 2, 3])))
    head = f'{entity}<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">'
    text = f'{head}{body}<path stroke="black" d="M1 1L8 8"/></svg>'
    content = text.encode(r.choice(["utf-8", "utf-8", "utf-16"]))
    return mutated(r, content) if r.random() < 0.4 else content


def lines(r: Random) -> Any:
    """Strokes, or what looks like them."""
    n = r.choice([1, 3, 300, 100_000])
    return r.choice(
        [
            any_json(r),
            [[[r.choice(NUMBERS), r.choice(NUMBERS)]] * n],
            [[[0, 1] * n, [0, 1] * r.choice([n, 1])]],
            {"drawing": [[[0, 9], [0, 9]]] * min(n, 5000), "word": "\x1b"},
            {"strokes": [[[i, i] for i in range(min(n, 5000))]], "width": r.choice(ODD)},
        ]
    )


def arrays(r: Random) -> tuple[bytes, bytes]:
    """A `.mat` and an `.npz`."""
    file, other = io.BytesIO(), io.BytesIO()
    shape = r.choice([(2, 8, 8), (2, 8, 8), (2, 8, 8, 3), (2, 64), (1,), (0, 3)])
    values = np.arange(np.prod(shape)).astype(r.choice(["u1", "u1", "u1", "i4"])).reshape(shape)
    cell = np.array([["a"], [1], [2.5]], dtype=object)
    scipy.io.savemat(file, {"data": values, "one": cell, "t": "x"}, do_compression=r.random() < 0.5)
    np.savez(
        other,
        points=np.arange(40, dtype="u1").reshape(20, 2),
        stroke_len=np.array([5, 5, 10], "u2"),
        drawing_first_stroke=np.array([0, 1, 3], "i4")[: r.choice([2, 3])],
        label=np.array([0, 1], "i2"),
        key_id=np.array([7, 8], "u8"),
        categories=np.array(["a", "b"]),
    )
    return file.getvalue(), other.getvalue()
