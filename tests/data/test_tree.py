from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from cdim.data.tree import Tree
from cdim.errors import DataError


def test_a_zip_and_its_folder_look_the_same(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.mkdir("d") if hasattr(archive, "mkdir") else None
        archive.writestr("d/a.txt", "1")
        archive.writestr("b.txt", "2")
        archive.extractall(tmp_path / "f")
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        archive.writestr("d\\", "")
        archive.writestr("d\\a.txt", "1")
        archive.writestr("b.txt", "2")
    windows = Tree.open(tmp_path / "w.zip")
    assert windows.names == ("b.txt", "d/a.txt")
    assert windows.read("d/a.txt") == b"1"
    packed, unpacked = Tree.open(tmp_path / "z.zip"), Tree.open(tmp_path / "f")
    assert packed.names == unpacked.names == ("b.txt", "d/a.txt")
    assert packed.read("d/a.txt") == unpacked.read("d/a.txt") == b"1"
    assert packed.ending("a.txt") == "d/a.txt"
    assert (packed.root, packed.locator("b.txt")) == (tmp_path, "z.zip!b.txt")
    assert (unpacked.root, unpacked.locator("b.txt")) == (tmp_path / "f", "b.txt")


@pytest.mark.parametrize("name", ["../a.png", "x/../../a.png", "/etc/a.png", "..\\a.png"])
def test_zip_slip_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(DataError, match="members lie inside"):
        Tree.open(tmp_path / "z.zip")


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "z.zip").write_text("no zip")
    for name, said in (("z.zip", "cannot open"), ("no.zip", "there is no")):
        with pytest.raises(DataError, match=said):
            Tree.open(tmp_path / name)
    with pytest.raises(DataError, match="one of a, b is needed"):
        Tree.find(tmp_path, ["a", "b"], "set")
    with pytest.raises(DataError, match=r"0 files q\.json"):
        Tree.open(tmp_path).ending("q.json")
