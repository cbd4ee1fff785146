from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from cdim.data import listing
from cdim.data.listing import Omission
from cdim.data.tree import Tree
from cdim.errors import DataError

PASSED = {
    "@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg": listing.SYSTEM,
    "x/@EADIR/a.jpg": listing.SYSTEM,
    "#recycle/b.jpg": listing.SYSTEM,
    "$RECYCLE.BIN/S-1-5/c.jpg": listing.SYSTEM,
    "System Volume Information/d.jpg": listing.SYSTEM,
    "lost+found/e.jpg": listing.SYSTEM,
    "__MACOSX/f.jpg": listing.SYSTEM,
    ".Trash-1000/files/g.jpg": listing.HIDDEN,
    "x/._a.jpg": listing.HIDDEN,
    "x/a.psd": ".psd",
    "notes": listing.NO_SUFFIX,
    "x/A.TXT": ".txt",
}
IMAGES = ("a.jpg", "x/@eaDir.png", "x/b.JFIF")


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_passed_over_has_its_reason(tmp_path: Path, zipped: bool) -> None:
    place = put(tmp_path / "set", *PASSED, *IMAGES)
    if zipped:
        place = tmp_path / "set.zip"
        with zipfile.ZipFile(place, "w") as archive:
            for name in (*PASSED, *IMAGES):
                archive.writestr(name, "")
    tree = Tree.open(place)
    assert tree.images == IMAGES
    assert dict(tree.left_out) == PASSED
    assert list(tree.left_out) == sorted(tree.left_out)
    assert tree.unseen == ()


@pytest.mark.parametrize(
    ("glob", "gone"),
    [
        ("*.bak.jpg", {"b.bak.jpg", "old/c.bak.jpg"}),
        ("old", {"old/a.jpg", "old/c.bak.jpg", "x/old/d.jpg"}),
        ("old/", {"old/a.jpg", "old/c.bak.jpg", "x/old/d.jpg"}),
        ("./old/*", {"old/a.jpg", "old/c.bak.jpg"}),
        ("x/old", {"x/old/d.jpg"}),
        ("**/old", {"old/a.jpg", "old/c.bak.jpg", "x/old/d.jpg"}),
        ("OLD", set()),
        ("[ab].jpg", {"a.jpg", "old/a.jpg"}),
    ],
)
def test_what_a_glob_excludes(tmp_path: Path, glob: str, gone: set[str]) -> None:
    names = {"a.jpg", "b.bak.jpg", "old/a.jpg", "old/c.bak.jpg", "x/old/d.jpg"}
    tree = Tree.open(put(tmp_path, *names), [glob])
    assert dict(tree.left_out) == dict.fromkeys(gone, listing.EXCLUDED)
    assert set(tree.names) == names - gone


def test_links_pipes_closed_folders_and_other_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.jpg", "shut/b.jpg", "@eaDir/shut/c.jpg")
    (tmp_path / "again.jpg").symlink_to(tmp_path / "a.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).touch()
    scan = os.scandir

    def shut(path: Path) -> object:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", shut)
    tree = Tree.open(tmp_path)
    assert tree.images == ("a.jpg", "again.jpg")
    assert dict(tree.left_out) == {
        "@eaDir/shut/": listing.SYSTEM,
        "caf\\udce9.jpg": listing.ENCODING,
        "circle": listing.BROKEN,
        "gone.jpg": listing.BROKEN,
        "loop/": listing.LINK,
        "pipe.jpg": listing.SPECIAL,
        "shut/": listing.CLOSED,
    }
    assert tree.unseen == ("circle", "gone.jpg", "loop/", "pipe.jpg", "shut/")
    with pytest.raises(DataError, match=r"cannot read the folder .*shut \(Permission denied\)"):
        Tree.open(tmp_path / "shut")


def test_the_summary_counts_by_reason() -> None:
    closed = [Omission(f"{n}/", listing.CLOSED) for n in range(2)]
    texts = [Omission(f"{n}.txt", ".txt") for n in range(1200)]
    assert listing.summary([*closed, *texts]) == "1,202 left out: 1,200 .txt, 2 closed folders"
    assert listing.summary([]) == ""
    many = [Omission("", f".{n}") for n in range(11)]
    assert listing.summary(many).endswith("1 .5, 1 .6, 3 of other kinds")
