"""Image files as phones, scanners and programs write them, and what is no image."""

from __future__ import annotations

import base64
import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from cdim.data import formats
from cdim.data.content import image_pixels
from cdim.data.formats import decode
from cdim.data.images import Files
from cdim.errors import ImageError


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def photo(height: int = 40, width: int = 60) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_colour_and_grey_come_back_as_stored() -> None:
    colour = photo()
    assert np.array_equal(decode(encoded(colour), "a"), np.asarray(colour))
    grey = colour.convert("L")
    assert np.array_equal(decode(encoded(grey), "a"), np.asarray(grey))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_alpha_is_composited_on_white(mode: str) -> None:
    image = Image.new("RGBA", (4, 3), (0, 0, 0, 0))
    image.putpixel((1, 1), (0, 0, 0, 255))
    if mode == "P":
        image = image.quantize(4)
    pixels = decode(encoded(image if mode == "P" else image.convert(mode)), "a")
    assert pixels.ndim == (2 if mode == "LA" else 3)
    assert pixels[0, 0].min() == 255
    assert pixels[1, 1].max() == 0


def test_half_alpha_is_half_way_to_white() -> None:
    pixels = decode(encoded(Image.new("RGBA", (2, 2), (100, 0, 200, 128))), "a")
    assert np.abs(pixels[0, 0].astype(int) - [177, 127, 227]).max() <= 1


def test_sixteen_bits_become_eight() -> None:
    deep = Image.fromarray(np.array([[0, 0x8000, 0xFFFF]], dtype=np.uint16))
    assert decode(encoded(deep), "a").tolist() == [[0, 0x80, 0xFF]]


def test_cmyk_and_bilevel_are_read() -> None:
    assert decode(encoded(photo().convert("CMYK"), "JPEG"), "a").shape == (40, 60, 3)
    assert set(np.unique(decode(encoded(photo().convert("1")), "a"))) <= {0, 255}


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(photo(), "JPEG", exif=exif), "a").shape == (60, 40, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_half_a_file_is_refused_by_name(kind: str) -> None:
    data = encoded(photo(), kind)
    with pytest.raises(ImageError, match="shoe17"):
        decode(data[: len(data) // 2], "shoe17")


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="noise"):
        decode(data, "noise")


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_broken_byte_ends_in_pixels_or_one_error(place: int, value: int) -> None:
    data = bytearray(encoded(Image.new("RGB", (20, 20), "red"), "JPEG"))
    data[place % len(data)] = value
    with contextlib.suppress(ImageError):
        assert decode(bytes(data), "x").dtype == np.uint8


def test_documents_and_scripts_are_not_images() -> None:
    with pytest.raises(ImageError):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "evil.eps")


@pytest.mark.parametrize("side", [9_000, 12_000, 60_000])
def test_a_decompression_bomb_is_not_unpacked(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n"
    for tag, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        bomb += struct.pack(">I", len(body)) + tag + body
        bomb += struct.pack(">I", zlib.crc32(tag + body))
    with pytest.raises(ImageError, match="pixels"):
        decode(bomb, "bomb.png")


def chunk(tag: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))


def deep_png(values: np.ndarray, *more: bytes) -> bytes:
    """A PNG of 16 bits: values (h, w) or (h, w, 2 to 4)."""
    height, width = values.shape[:2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[values.size // (height * width)]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *more, chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [(), (3,), (4,)])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_bits_in_a_file_of_16_are_scaled_by_what_is_used(bits: int, channels: tuple[int]) -> None:
    rng = np.random.default_rng(bits)
    values = rng.integers(0, 1 << bits, (9, 7, *channels))
    values[0, 0] = (1 << bits) - 1
    if channels == (4,):
        values[..., 3] = 0xFFFF
    found = decode(deep_png(values), "a")
    colours = values[..., :3] if channels else values
    assert np.array_equal(found, colours >> (bits - 8))


def test_clear_grey_of_16_bits_is_white() -> None:
    clear = chunk(b"tRNS", struct.pack(">H", 300))
    assert decode(deep_png(np.array([[0, 300], [40000, 65535]]), clear), "a").tolist() == [
        [0, 255],
        [156, 255],
    ]


EXIF = {
    "resolution is no number": struct.pack("<HHIf", 282, 11, 1, float("nan")),
    "negative width": struct.pack("<HHIi", 0x100, 9, 1, -5),
    "a fraction over 0": struct.pack("<HHII", 282, 10, 1, 38),
    "a text for a folder": struct.pack("<HHI4s", 0x14A, 2, 4, b"zzz\0"),
}


@pytest.mark.parametrize("odd", EXIF.values(), ids=EXIF.keys())
def test_a_photo_is_turned_whatever_else_its_exif_says(odd: bytes) -> None:
    turn = struct.pack("<HHIHH", 0x112, 3, 1, 6, 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + turn + odd + struct.pack("<I", 0)
    exif += struct.pack("<ii", -(2**31), 0)
    whole = encoded(photo(), "JPEG")
    data = whole[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + whole[2:]
    assert np.array_equal(decode(data, "a"), np.rot90(decode(whole, "a"), -1))


def test_megabytes_of_text_and_profile_are_skipped() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * 2**21, zip=True)
    data = encoded(photo(), pnginfo=text, icc_profile=b"x" * 1_200_000)
    assert np.array_equal(decode(data, "a"), np.asarray(photo()))


@pytest.mark.parametrize(("shrink", "most"), [(1, 2400), (2, 2399), (2, 600), (4, 599), (8, 100)])
def test_a_large_jpeg_is_decoded_at_a_part_of_its_size(
    shrink: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "MAX_PIXELS", most)
    data = encoded(Image.new("RGB", (60, 40), (200, 30, 40)), "JPEG")
    found = decode(data, "a")
    assert found.shape == (-(-40 // shrink), -(-60 // shrink), 3)
    assert np.abs(found.mean((0, 1)) - [200, 30, 40]).max() < 4


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_beyond_its_limit_is_refused(
    progressive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, most in (("MAX_PIXELS", 100), ("MAX_JPEG", 2400), ("MAX_PROGRESSIVE", 2399)):
        monkeypatch.setattr(formats, name, most)
    data = encoded(photo(), "JPEG", progressive=progressive)
    if progressive:
        with pytest.raises(ImageError, match="60 x 40"):
            decode(data, "a")
    else:
        assert decode(data, "a").shape == (5, 8, 3)


def test_white_lines_on_transparency_become_dark() -> None:
    sheet = Image.new("RGBA", (20, 10), (0, 0, 0, 0))
    sheet.paste((255, 255, 255, 255), (5, 3, 15, 5))
    found = decode(encoded(sheet), "a")
    assert found[:3].min() == 255
    assert found[3:5, 5:15].max() == 0
    assert decode(encoded(Image.new("RGBA", (4, 4), "white")), "a").min() == 255


def test_avif_is_read() -> None:
    smooth = Image.new("RGB", (60, 40), (200, 40, 30))
    found = decode(encoded(smooth, "AVIF", quality=90), "a")
    assert found.shape == (40, 60, 3)
    assert np.abs(found.mean((0, 1)) - [200, 40, 30]).max() < 4


def test_an_avif_that_its_decoder_gives_up_is_one_error() -> None:
    data = encoded(Image.effect_noise((60, 40), 90).convert("RGB"), "AVIF", quality=90)
    at = data.index(b"mdat") + 8
    data = data[:at] + bytes(60) + data[at + 60 :]
    with Image.open(io.BytesIO(data)) as image, pytest.raises(RuntimeError):
        image.load()
    with pytest.raises(ImageError, match="a cannot be decoded"):
        decode(data, "a")
    with (
        Image.open(io.BytesIO(data)) as image,
        pytest.raises(ImageError, match="cannot be decoded"),
    ):
        image_pixels(image, Files())


# 64 x 48 pixels, the left half red, the right half blue.
HEIC = (
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    "AAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAAEgAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABo"
    "dmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEA"
    "GEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAA"
    "AwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAAB"
    "AAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAFBt"
    "ZGF0AAAARCgBr1jm9Oq//+M9f/7EpIfIlz9f/wQ9V+7lE/7DhVI1dwomZlSqnz1Y5gp7hCpB7hqPOgIfVIztTcCaJiaO"
    "05+q7au4"
)


def test_heic_is_read_and_half_of_it_is_damaged() -> None:
    data = base64.b64decode(HEIC)
    found = decode(data, "a")
    assert found.shape == (48, 64, 3)
    assert np.abs(found[:, :24].mean((0, 1)) - [200, 40, 30]).max() < 20
    assert np.abs(found[:, 40:].mean((0, 1)) - [20, 60, 220]).max() < 20
    with pytest.raises(ImageError, match="cannot be decoded"):
        decode(data[:300], "a")


NO_IMAGES = {
    "a PDF": b"%PDF-1.7 ...",
    "NumPy": b"\x93NUMPY\x01\0",
    "web page": b"\n<!DOCTYPE html><html></html>",
    "JSON": b'{"word": "shoe", "drawing": []}\n',
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "a video": b"\0\0\0\x18ftypmp42\0\0\0\0",
    "a zip": b"PK\x03\x04....",
    "a text": b"\xef\xbb\xbfname;Preis\r\nb\xc3\xa4r;3,50\r\n",
}


@pytest.mark.parametrize(("kind", "data"), NO_IMAGES.items())
def test_what_is_no_image_is_named_and_not_called_damaged(kind: str, data: bytes) -> None:
    with pytest.raises(ImageError, match=f"a.jpg is .*{kind}") as raised:
        decode(data, "a.jpg")
    assert "cannot be decoded" not in str(raised.value)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "I;16", "CMYK"])
def test_a_large_image_is_shrunk_to_what_is_enough(mode: str) -> None:
    fine = Image.fromarray(np.add.outer(np.arange(90), np.arange(60)).astype(np.uint8))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(fine).astype(np.uint16) << 8)
    else:
        image = (fine.convert("RGB") if mode in ("RGBA", "CMYK") else fine).convert(mode)
    data = encoded(image, "TIFF" if mode == "CMYK" else "PNG")
    whole = decode(data, "a")
    assert np.array_equal(decode(data, "a", 31), whole)
    found = decode(data, "a", 20)
    assert found.shape[:2] == (30, 20)
    mean = whole.reshape(30, 3, 20, 3, -1).astype(float).mean((1, 3)).reshape(found.shape)
    assert np.abs(mean - found).max() <= 1


def test_a_large_jpeg_is_shrunk_while_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(photo(300, 200).resize((800, 400)), "JPEG", exif=exif)
    taken: list[int] = []

    @contextlib.contextmanager
    def room(size: int):  # type: ignore[no-untyped-def]
        taken.append(size)
        yield

    monkeypatch.setattr(formats, "room", room)
    for enough, shape in ((0, (800, 400)), (200, (400, 200)), (130, (400, 200)), (40, (100, 50))):
        assert decode(data, "a", enough).shape == (*shape, 3)
    assert taken[0] == 8 * 800 * 400
    assert taken[1] == 8 * 400 * 200
    with formats.open_image(data) as image:
        assert formats.upright_size(image) == (400, 800)


def test_a_panorama_is_shrunk_by_its_area(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "LARGEST", 10_000)
    assert decode(encoded(photo(40, 1000)), "a", 40).shape == (20, 500, 3)


def test_a_jpeg_of_very_many_scans_is_refused_unread() -> None:
    data = encoded(photo(400, 600), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    scan = data[start:-2]
    assert decode(data[:-2] + 10 * scan + data[-2:], "a").shape == (400, 600, 3)
    with pytest.raises(ImageError, match=r"\d+ scans of 600 x 400"):
        decode(data[:-2] + 10_000 * scan[:40] + data[-2:], "a")
