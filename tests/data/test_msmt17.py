from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from cdim.data import images
from cdim.data.manifest import Manifest
from cdim.data.sets.catalogue import open_dataset
from cdim.errors import DataError

LISTS = {
    "train": [
        "0000/0000_000_01_0303morning_0015_0.jpg 0",
        "0001/0001_001_14_0303noon_0021_0.jpg 1",
    ],
    "val": ["0000/0000_003_05_0303morning_0031_1.jpg 0"],
    "query": ["0000/0000_000_01_0302afternoon_0037_1.jpg 0"],
    "gallery": [
        "0000/0000_004_12_0302afternoon_0040_0.jpg 0",
        "0007/0007_000_15_0303noon_0001_0.jpg 7",
    ],
}
FOLDERS = {"V1": ("train", "test"), "V2": ("mask_train_v2", "mask_test_v2")}


def put(root: Path, version: str = "V1", **changed: list[str]) -> Path:
    for name, lines in LISTS.items():
        folder = root / FOLDERS[version][name in ("query", "gallery")]
        for line in lines:
            file = folder / line.split()[0]
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 8)).save(file)
        text = "\n".join(changed.get(name, lines)) + "\n"
        (root / f"list_{name}.txt").write_text(text, encoding="utf-8")
    return root


def rows(manifest: Manifest) -> list[tuple[str, str, str, int, str]]:
    listed = manifest.metadata["list"].tolist()
    return [
        (r.instance, r.split, r.role, r.camera, name)
        for r, name in zip(manifest, listed, strict=True)
    ]


EXPECTED = [
    ("msmt17/train/0", "train", "", 1, "train"),
    ("msmt17/train/1", "train", "", 14, "train"),
    ("msmt17/train/0", "train", "", 5, "val"),
    ("msmt17/test/0", "test", "query", 1, "query"),
    ("msmt17/test/0", "test", "gallery", 12, "gallery"),
    ("msmt17/test/7", "test", "gallery", 15, "gallery"),
]


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_both_versions(tmp_path: Path, version: str) -> None:
    put(tmp_path / f"MSMT17_{version}", version)
    manifest = open_dataset("msmt17", tmp_path).manifest
    assert rows(manifest) == EXPECTED
    assert all(images.read(r.source, manifest.root).shape == (8, 4, 3) for r in manifest)


def test_a_zip(tmp_path: Path) -> None:
    folder = put(tmp_path / "MSMT17")
    with zipfile.ZipFile(tmp_path / "msmt17.zip", "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(tmp_path).as_posix())
    shutil.rmtree(folder)
    manifest = open_dataset("msmt17", tmp_path).manifest
    assert rows(manifest) == EXPECTED
    assert images.read(manifest.source[0], manifest.root).shape == (8, 4, 3)


def test_by_path_and_without_a_list_for_validation(tmp_path: Path) -> None:
    folder = put(tmp_path / "mine")
    (folder / "list_val.txt").unlink()
    found = rows(open_dataset(str(folder)).manifest)
    assert found[0] == ("mine/train/0", "train", "", 1, "train")
    assert len(found) == 5


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["0000/0000_000_01_a_0_0.jpg"], "line 1 of list_query.txt"),
        (["", "0000/0000_01.jpg 0"], "line 2 of list_query.txt"),
        (["0000/0000_000_x_a_0_0.jpg 0"], "line 1 of"),
        (["0000/0000_000_01_a_0_0.jpg no"], "line 1 of"),
        (["0009/0009_000_01_a_0_0.jpg 9"], r"lacks 0009/.* \(1 files in all\)"),
        ([*LISTS["query"], "0009/0009_000_01_a_0_0.jpg 9"], "lacks test/0009/"),
        ([""], "is empty"),
    ],
)
def test_lists_that_do_not_fit(tmp_path: Path, lines: list[str], words: str) -> None:
    put(tmp_path / "msmt17", query=lines)
    with pytest.raises(DataError, match=words):
        open_dataset("msmt17", tmp_path)


def test_a_list_is_missing(tmp_path: Path) -> None:
    (put(tmp_path / "msmt17") / "list_gallery.txt").unlink()
    with pytest.raises(DataError, match="holds the set 0 times"):
        open_dataset("msmt17", tmp_path)
