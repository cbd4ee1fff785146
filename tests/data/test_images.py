from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from cdim.data import formats, images
from cdim.data.manifest import Manifest
from cdim.data.preprocess import Preprocess
from cdim.errors import ImageError

PLAIN = Preprocess(resize=(8, 8), crop=(8, 8), mean=(0.0,))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def photo(height: int = 40, width: int = 60) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    (tmp_path / "a.png").write_bytes(encoded(photo()))
    with pytest.raises(ImageError, match="100 bytes"):
        images.read("a.png", tmp_path)


def test_every_locator(tmp_path: Path) -> None:
    picture = photo()
    picture.save(tmp_path / "a#b@c.png")
    stack = np.arange(2 * 5 * 4, dtype=np.uint8).reshape(2, 5, 4)
    scipy.io.savemat(tmp_path / "e.mat", {"data": stack}, do_compression=True)
    points = np.array([[10, 10, 0], [200, 10, 1], [10, 99, 0], [99, 99, 1]], dtype=np.float32)
    np.savez(tmp_path / "s.npz", keys=["/train/x@y_1"], offsets=[0, 4], points=points)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in ("a#b@c.png", "e.mat", "s.npz"):
            archive.write(tmp_path / name, f"in/{name}")
    for before in ("", "z.zip!in/"):
        assert np.array_equal(images.read(f"{before}a#b@c.png", tmp_path), np.asarray(picture))
        assert np.array_equal(images.read(f"{before}e.mat#1", tmp_path), stack[1])
        framed = images.read(f"{before}e.mat#1@frame", tmp_path)
        assert np.array_equal(framed[1:-1, 1:-1], stack[1, 1:-1, 1:-1])
        assert (np.delete(framed.ravel(), [5, 6, 9, 10, 13, 14]) == 255).all()
        whole = images.read(f"{before}s.npz#/train/x@y_1", tmp_path)
        half = images.read(f"{before}s.npz#/train/x@y_1@0.5", tmp_path)
        assert whole.shape == half.shape == (256, 256)
        assert (half[90:110] == 255).all()
        assert (whole[90:110] < 255).any()
    pixels = stack[0]
    assert images.read(pixels) is pixels


def test_a_box_is_cut_out_of_the_upright_image(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn
    photo().save(tmp_path / "a.png", exif=turned)
    scipy.io.savemat(tmp_path / "e.mat", {"data": np.arange(20, dtype=np.uint8).reshape(1, 5, 4)})
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "a.png")
    whole = images.read("a.png", tmp_path)
    assert whole.shape == (60, 40, 3)
    for before in ("", "z.zip!"):
        part = images.read(f"{before}a.png#xywh=30,50,8,5", tmp_path)
        assert np.array_equal(part, whole[50:55, 30:38])
    assert np.array_equal(images.read("a.png#xywh=30,50,99,99", tmp_path), whole[50:, 30:])
    assert images.read("e.mat#0#xywh=1,2,2,1", tmp_path).tolist() == [[9, 10]]
    for outside in ("40,0,5,5", "0,60,5,5", "3,3,0,5"):
        with pytest.raises(ImageError, match=f"{outside}: a box of an image of 40 x 60 pixels"):
            images.read(f"a.png#xywh={outside}", tmp_path)


def test_a_box_of_a_large_photo_is_in_its_own_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = np.zeros((80, 160, 3), np.uint8)
    wide[40:, 80:] = 255
    Image.fromarray(wide).save(tmp_path / "a.jpg")
    monkeypatch.setattr(formats, "MAX_PIXELS", 80 * 160 // 4)
    assert images.read("a.jpg", tmp_path).shape == (40, 80, 3)
    part = images.read("a.jpg#xywh=80,40,80,40", tmp_path)
    assert part.shape == (20, 40, 3)
    assert (part > 200).all()


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    for value in (1, 2):
        data = np.full((value, 4, 4), value, dtype=np.uint8)
        scipy.io.savemat(tmp_path / "e.mat", {"data": data})
        assert images.read("e.mat#0", tmp_path)[0, 0] == value


@pytest.mark.parametrize(
    ("locator", "words"),
    [
        ("no.png", "there is no .*no.png"),
        ("no.zip!a.png", "there is no .*no.zip"),
        ("no.mat#0", "there is no .*no.mat"),
        ("no.npz#a", "there is no .*no.npz"),
        ("ok.zip!a.png", "there is no .*ok.zip!a.png"),
        ("ok.zip!../../etc/passwd", "is a text"),
        ("text.png", "is a text"),
        ("text.zip!a.png", "cannot open"),
        ("text.mat#0", "cannot read"),
        ("text.npz#a", "cannot read"),
        ("key.mat#0", "images.*the key 'data' is needed"),
        ("ok.mat#2", "row '2'"),
        ("ok.mat#-1", "row '-1'"),
        ("ok.mat#0@0.5", "row '0'"),
        ("ok.npz#other", "no drawing 'other'"),
        ("ok.npz#a@0", "share 0"),
        ("ok.npz#a@1.2.3", "1.2.3"),
        ("ok.npz#a@frame", "frame"),
        ("keys.npz#a", "strokes need"),
        ("folder", "is a folder"),
        ("empty.png/a.png", "there is no"),
        ("empty.png", "is empty"),
    ],
)
def test_wrong_locators_end_in_one_line(tmp_path: Path, locator: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.png").touch()
    for end in ("png", "zip", "mat", "npz"):
        (tmp_path / f"text.{end}").write_text("this is no image at all, only text" * 9)
    with zipfile.ZipFile(tmp_path / "ok.zip", "w") as archive:
        archive.writestr("../../etc/passwd", "x")
    data = np.zeros((2, 4, 4), np.uint8)
    scipy.io.savemat(tmp_path / "ok.mat", {"data": data})
    scipy.io.savemat(tmp_path / "key.mat", {"images": data})
    np.savez(tmp_path / "ok.npz", keys=["a"], offsets=[0, 2], points=np.ones((2, 3), np.float32))
    np.savez(tmp_path / "keys.npz", other=data)
    with pytest.raises(ImageError, match=words) as caught:
        images.read(locator, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["a.zip!b.png", "a.png#xywh=0,0,1,1", "a.mat#3", "a.npz#k@0.5", "#1!.png"]
)
def test_a_file_whose_own_name_looks_like_a_locator_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(encoded(photo()))
    assert np.array_equal(images.read(name, tmp_path), np.asarray(photo()))
    assert images.place(name, tmp_path) == (tmp_path / name, "", "", "", ())


def test_members_of_a_zip_packed_on_windows_are_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        archive.writestr("in\\deep\\a.png", encoded(photo()))
    for name in ("in/deep/a.png", "in\\deep\\a.png"):
        assert np.array_equal(images.read(f"w.zip!{name}", tmp_path), np.asarray(photo()))


@pytest.mark.skipif(os.name == "nt", reason="no such pipes there")
@pytest.mark.parametrize("end", ["pipe", "pipe.zip!a.png", "pipe.mat#0", "/dev/zero"])
def test_pipes_and_devices_are_not_opened(tmp_path: Path, end: str) -> None:
    for name in ("pipe", "pipe.zip", "pipe.mat"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(ImageError, match="is a pipe or a device"):
        images.read(end, tmp_path)


def test_an_encrypted_or_damaged_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.png", encoded(photo()))
    data = bytearray((tmp_path / "z.zip").read_bytes())
    data[200] ^= 255
    (tmp_path / "z.zip").write_bytes(data)
    with pytest.raises(ImageError, match=r"z\.zip!a\.png"):
        images.read("z.zip!a.png", tmp_path)


def test_a_damaged_zip_of_another_method_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.png", encoded(photo()))
    data = bytearray((tmp_path / "z.zip").read_bytes())
    data[44] ^= 255  # the first byte of the compressed stream
    (tmp_path / "z.zip").write_bytes(data)
    with pytest.raises(ImageError, match=r"cannot read .*z\.zip!a\.png"):
        images.read("z.zip!a.png", tmp_path)


def test_a_pickle_in_an_npz_is_never_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", keys=np.array([{}], dtype=object), offsets=[0], points=[0])
    with pytest.raises(ImageError, match="pickle"):
        images.read("p.npz#a", tmp_path)


def test_load_stack_equals_a_plain_loop(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sources = []
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for i in range(150):
            data = encoded(Image.fromarray(rng.integers(0, 256, (9, 7), dtype=np.uint8)))
            archive.writestr(f"{i}.png", data)
            sources.append(f"z.zip!{i}.png")
    manifest = Manifest.build(sources, range(150), root=tmp_path)
    seen: list[tuple[int, int]] = []
    stack = images.load_stack(manifest, PLAIN, lambda done, n: seen.append((done, n)))
    loop = np.stack([PLAIN.load(images.read(s, tmp_path)) for s in sources])
    assert np.array_equal(stack, loop)
    assert seen == [(64, 150), (128, 150), (150, 150)]


def test_load_stack_names_the_first_bad_image(tmp_path: Path) -> None:
    photo().save(tmp_path / "good.png")
    half = encoded(photo(), "JPEG")
    (tmp_path / "half.jpg").write_bytes(half[: len(half) // 2])
    manifest = Manifest.build(["good.png", "half.jpg", "no.png"], "abc", root=tmp_path)
    with pytest.raises(ImageError, match=r"half\.jpg"):
        images.load_stack(manifest, PLAIN)


def test_load_stack_of_nothing() -> None:
    assert images.load_stack(Manifest.build([], []), PLAIN).shape == (0, 8, 8, 1)
