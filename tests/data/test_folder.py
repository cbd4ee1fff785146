from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from cdim.data import images
from cdim.data.sets import folder
from cdim.errors import DataError


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(root / name)
    return root


def rows(root: Path) -> list[tuple[str, ...]]:
    return [(str(r.source), r.instance, r.domain, r.split, r.role) for r in folder.manifest(root)]


def test_a_folder_an_instance(tmp_path: Path) -> None:
    put(tmp_path, "x/1.png", "x/2.JPG", "y y/ü.png", ".git/a.png")
    (tmp_path / "notes.txt").write_text("not an image")
    assert rows(tmp_path) == [
        ("x/1.png", "x", "photo", "", ""),
        ("x/2.JPG", "x", "photo", "", ""),
        ("y y/ü.png", "y y", "photo", "", ""),
    ]
    manifest = folder.manifest(tmp_path)
    assert images.read(manifest.source[2], manifest.root).shape == (4, 4, 3)


def test_domains_and_splits(tmp_path: Path) -> None:
    put(tmp_path, "train/x/sketch/1.png", "train/x/photo/1.png", "test/y/photo/1.png")
    assert rows(tmp_path) == [
        ("test/y/photo/1.png", "y", "photo", "test", "gallery"),
        ("train/x/photo/1.png", "x", "photo", "train", "gallery"),
        ("train/x/sketch/1.png", "x", "sketch", "train", "query"),
    ]


def test_a_flat_folder(tmp_path: Path) -> None:
    assert rows(put(tmp_path, "a.png", "b.png"))[1] == ("b.png", "b.png", "photo", "", "")


def test_the_published_layout(tmp_path: Path) -> None:
    put(tmp_path, "trainA/s_1_1.png", "trainA/s_1_2.png", "trainB/s_1.png")
    put(tmp_path, "testA/t_1.png", "testB/t.png", "testB/u.png")
    assert rows(tmp_path) == [
        ("testA/t_1.png", "test/t", "sketch", "test", "query"),
        ("testB/t.png", "test/t", "photo", "test", "gallery"),
        ("testB/u.png", "test/u", "photo", "test", "gallery"),
        ("trainA/s_1_1.png", "train/s_1", "sketch", "train", "query"),
        ("trainA/s_1_2.png", "train/s_1", "sketch", "train", "query"),
        ("trainB/s_1.png", "train/s_1", "photo", "train", "gallery"),
    ]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "no images in"),
        (["x/1.png", "2.png"], "depths"),
        (["a/b/c/d.png"], "depths"),
        (["trainA/s_1.png", "trainB/t.png"], r"no photo for trainA/s_1\.png"),
        (["trainA/s.png", "trainB/s.png"], r"<photo>_<k>\.png"),
    ],
)
def test_folders_that_cannot_be_read(tmp_path: Path, names: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        folder.manifest(put(tmp_path, *names))


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        folder.manifest(tmp_path / "no")


def test_a_zip_of_another_layout(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("x/1.png", "x")
    with pytest.raises(DataError, match=r"not in the layout of Market-1501.*unpack it"):
        folder.manifest(tmp_path / "photos.zip")
