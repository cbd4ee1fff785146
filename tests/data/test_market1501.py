from __future__ import annotations

import shutil
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cdim.data import images
from cdim.data.manifest import Manifest
from cdim.data.sets import market1501
from cdim.data.sets.catalogue import KNOWN, open_dataset
from cdim.data.tree import Tree
from cdim.errors import DataError

MARKET = (
    "bounding_box_train/0002_c1s1_000451_03.jpg",
    "bounding_box_train/0002_c2s1_000451_03.jpg",
    "query/0001_c1s1_001051_00.jpg",
    "bounding_box_test/0001_c3s2_000151_01.jpg",
    "bounding_box_test/0000_c6s3_000151_01.jpg",
    "bounding_box_test/-1_c1s1_000401_03.jpg",
    "gt_bbox/0001_c1s1_001051_00.jpg",
    "gt_bbox/0001_c2s1_001051_00.jpg",
    "gt_bbox/0002_c1s1_000451_00.jpg",
)
DUKE = (
    "bounding_box_train/0001_c2_f0046182.jpg",
    "query/0005_c2_f0046985.jpg",
    "bounding_box_test/0005_c5_f0051341.jpg",
)
CUHK = (
    "bounding_box_train/0003_c1_21.png",
    "query/0001_c1_1.png",
    "bounding_box_test/0001_c2_6.png",
)


def put(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        colour = (number, 2 * number, 3 * number)
        Image.new("RGB", (4, 8), colour).save(root / name, quality=100)
    return root


def packed(folder: Path) -> Path:
    """The folder as a zip of its name beside it, itself inside; the folder is gone."""
    target = folder.parent / f"{folder.name}.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent).as_posix())
    shutil.rmtree(folder)
    return target


def rows(manifest: Manifest) -> set[tuple[str, str, str, str, int, str]]:
    return {
        (str(r.source).rpartition("/")[2], r.instance, r.split, r.role, r.camera, sequence)
        for r, sequence in zip(manifest, manifest.metadata["sequence"].tolist(), strict=True)
    }


EXPECTED = {
    ("0002_c1s1_000451_03.jpg", "market1501/0002", "train", "", 1, "1"),
    ("0002_c2s1_000451_03.jpg", "market1501/0002", "train", "", 2, "1"),
    ("0001_c1s1_001051_00.jpg", "market1501/0001", "test", "query", 1, "1"),
    ("0001_c3s2_000151_01.jpg", "market1501/0001", "test", "gallery", 3, "2"),
    ("0000_c6s3_000151_01.jpg", "market1501/0000", "test", "gallery", 6, "3"),
    ("-1_c1s1_000401_03.jpg", "market1501/-1", "test", "junk", 1, "1"),
    ("0001_c1s1_001051_00.jpg", "market1501/0001", "test", "multi-query", 1, "1"),
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    "place", ["Market-1501-v15.09.15", "market1501", "Market-1501/Market-1501-v15.09.15"]
)
def test_a_folder_and_its_zip_are_read_alike(tmp_path: Path, place: str, zipped: bool) -> None:
    """Views in gt_bbox of another identity or camera than a query's are left out."""
    put(tmp_path / place, *MARKET)
    if zipped:
        packed(tmp_path / place.partition("/")[0])
    manifest = open_dataset("market1501", tmp_path).manifest
    assert rows(manifest) == EXPECTED
    assert set(manifest.category.tolist()) == {"person"}
    assert set(manifest.domain.tolist()) == {"photo"}
    shades = [int(images.read(r.source, manifest.root)[0, 0, 2]) for r in manifest]
    assert len(set(shades)) == len(shades)
    assert sorted(tmp_path.iterdir()) == [tmp_path / (place.partition("/")[0] + ".zip" * zipped)]


def test_what_is_no_image_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "market1501", *MARKET)
    for name in ("query/Thumbs.db", "bounding_box_test/readme.txt", "query/._0001_c1.jpg", "x.mat"):
        (tmp_path / "market1501" / name).write_bytes(b"x")
    assert rows(open_dataset("market1501", tmp_path).manifest) == EXPECTED


def test_dukemtmc(tmp_path: Path) -> None:
    packed(put(tmp_path / "DukeMTMC-reID", *DUKE))
    dataset = open_dataset("dukemtmc-reid", tmp_path)
    assert rows(dataset.manifest) == {
        ("0001_c2_f0046182.jpg", "dukemtmc-reid/0001", "train", "", 2, ""),
        ("0005_c2_f0046985.jpg", "dukemtmc-reid/0005", "test", "query", 2, ""),
        ("0005_c5_f0051341.jpg", "dukemtmc-reid/0005", "test", "gallery", 5, ""),
    }


def test_withdrawn_sets_have_no_address() -> None:
    card = KNOWN["dukemtmc-reid"]
    assert "withdrawn" in card.where
    assert "withdrawn" in card.terms
    assert "http" not in card.where


@pytest.mark.parametrize("labelled", ["labeled", "labelled"])
def test_cuhk03_np_has_two_parts(tmp_path: Path, labelled: str) -> None:
    put(tmp_path / "cuhk03-np" / labelled, *CUHK)
    put(tmp_path / "cuhk03-np" / "detected", *CUHK[:2], "bounding_box_test/0001_c2_7.png")
    by_hand = open_dataset("cuhk03-np-labelled", tmp_path).manifest
    detected = open_dataset("cuhk03-np-detected", tmp_path).manifest
    assert ("0001_c2_6.png", "cuhk03-np-labelled/0001", "test", "gallery", 2, "") in rows(by_hand)
    assert ("0001_c2_7.png", "cuhk03-np-detected/0001", "test", "gallery", 2, "") in rows(detected)
    with pytest.raises(DataError, match=r"2 times: in detected/, label.*folder of one of them"):
        open_dataset(str(tmp_path / "cuhk03-np"))


def test_your_own_folder_or_zip(tmp_path: Path) -> None:
    put(tmp_path / "mine", "query/123456_c12.png", "bounding_box_test/123456_c3_x.png")
    folder = open_dataset(str(tmp_path / "mine"))
    own = {
        ("123456_c12.png", "mine/123456", "test", "query", 12, ""),
        ("123456_c3_x.png", "mine/123456", "test", "gallery", 3, ""),
    }
    assert rows(folder.manifest) == own
    zipped = open_dataset(str(packed(tmp_path / "mine")))
    assert rows(zipped.manifest) == own
    assert images.read(zipped.manifest.source[0], zipped.manifest.root).shape == (8, 4, 3)
    only_train = put(tmp_path / "more", "bounding_box_train/1_c1.png")
    assert open_dataset(str(only_train)).manifest.split.tolist() == ["train"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bounding_box_train/photo.jpg", "photo.jpg.*<identity>_c<camera>"),
        ("query/0001_1.jpg", r"0001_1.jpg \(1 such in all\)"),
        ("bounding_box_train/0002/0002_c1.jpg", "0002/0002_c1.jpg"),
        ("query/-1_c1s1_000401_03.jpg", "-1_c1s1"),
        ("bounding_box_train/-1_c1s1_000401_03.jpg", "junk, is for bounding_box_test only"),
        ("query/-2_c1.jpg", "-2_c1"),
    ],
)
def test_names_that_do_not_follow(tmp_path: Path, name: str, words: str) -> None:
    put(tmp_path / "market1501", *MARKET, name)
    with pytest.raises(DataError, match=words):
        open_dataset("market1501", tmp_path)


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ("bounding_box_train", "no images in bounding_box_train;"),
        ("query", "no images in query;"),
        ("bounding_box_test", "no images in bounding_box_test;"),
    ],
)
def test_a_known_set_is_whole(tmp_path: Path, lacking: str, words: str) -> None:
    put(tmp_path / "market1501", *(n for n in MARKET if not n.startswith(lacking)))
    with pytest.raises(DataError, match=words):
        open_dataset("market1501", tmp_path)


def test_nothing_of_the_layout(tmp_path: Path) -> None:
    put(tmp_path / "market1501", "a.jpg")
    with pytest.raises(DataError, match=r"holds the set 0 times.*fetch it again"):
        open_dataset("market1501", tmp_path)
    (tmp_path / "own" / "bounding_box_test").mkdir(parents=True)
    (tmp_path / "own" / "bounding_box_test" / "Thumbs.db").write_bytes(b"x")
    with pytest.raises(DataError, match=r"no images in .*own \(1 left out: 1 \.db\)"):
        open_dataset(str(tmp_path / "own"))
    tree = Tree(Path("set.zip"), ("gt_bbox/0001_c1s1_000001_00.jpg",))
    with pytest.raises(DataError, match="has no images in bounding_box_train, query or"):
        market1501.manifest(tree, "set", "")


def test_what_a_mac_leaves_in_a_zip_is_no_second_set(tmp_path: Path) -> None:
    put(tmp_path / "own", *(f"people/{name}" for name in MARKET))
    clean = len(open_dataset(str(tmp_path / "own")).manifest)
    put(tmp_path / "own", *(f"__MACOSX/people/{n.replace('/', '/._')}" for n in MARKET))
    assert len(open_dataset(str(tmp_path / "own")).manifest) == clean


@settings(deadline=None)
@given(
    identity=st.one_of(st.just("-1"), st.integers(0, 10**9).map(str), st.just("0000")),
    camera=st.integers(0, 500),
    sequence=st.one_of(st.none(), st.integers(0, 99)),
    tail=st.sampled_from(["", "_000151_01", "_f0046182", ".more", "x"]),
)
def test_any_name_comes_back(identity: str, camera: int, sequence: int | None, tail: str) -> None:
    middle = "" if sequence is None else f"s{sequence}"
    file = f"bounding_box_test/{identity}_c{camera}{middle}{tail}.jpg"
    tree = Tree(Path("set.zip"), (file, "query/1_c1.jpg"))
    row = market1501.manifest(tree, "set", "")[1]
    assert row.source == f"set.zip!{file}"
    assert row.instance == f"set/{identity}"
    assert (row.camera, row.metadata["sequence"]) == (camera, middle[1:])
    assert row.role == ("junk" if identity == "-1" else "gallery")


@pytest.mark.full
def test_market1501_as_released(data_root: Path) -> None:
    """Table 2 of the paper."""
    manifest = open_dataset("market1501", data_root).manifest
    train, test = manifest.where(split="train"), manifest.where(split="test")
    query = test.where(role="query")
    assert len(train) == 12_936
    assert len(set(train.instance.tolist())) == 751
    assert len(query) == 3_368
    assert len(set(query.instance.tolist())) == 750
    assert set(manifest.camera.tolist()) == {1, 2, 3, 4, 5, 6}
    searched = test.where(role=("gallery", "junk"))
    assert len(searched) == 19_732
    kinds = Counter(
        {"market1501/0000": "distractor", "market1501/-1": "junk"}.get(name, "person")
        for name in searched.instance.tolist()
    )
    assert kinds == {"person": 13_115, "distractor": 2_798, "junk": 3_819}
    assert set(searched.where(role="junk").instance.tolist()) == {"market1501/-1"}
    assert set(searched.instance.tolist()) - {"market1501/0000", "market1501/-1"} == set(
        query.instance.tolist()
    )
    views = test.where(role="multi-query")
    assert len(views) == 12_688
    assert len(manifest) == 12_936 + 3_368 + 19_732 + 12_688
    assert not np.isin(train.instance, test.instance).any()
    image = images.read(query.source[0], query.root)
    assert image.shape == (128, 64, 3)
