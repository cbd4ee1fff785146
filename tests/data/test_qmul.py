from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image
from skimage.feature import hog

from cdim.data import images
from cdim.data.manifest import Manifest
from cdim.data.preprocess import Preprocess
from cdim.data.sets import qmul
from cdim.data.sets.catalogue import open_dataset
from cdim.errors import DataError

PAIRS = {"shoe": (304, 115), "chair": (200, 97), "handbag": (400, 168)}
GREY = Preprocess(crop=(256, 256), mean=(0.0,))


@pytest.mark.full
@pytest.mark.parametrize("category", PAIRS)
def test_pair_counts_of_the_papers_table_1(data_root: Path, category: str) -> None:
    manifest = open_dataset(f"qmul-{category}", data_root).manifest
    for split, count in zip(("train", "test"), PAIRS[category], strict=True):
        sketch = manifest.where(split=split, role="query", domain="sketch")
        edge = manifest.where(split=split, role="gallery", domain="edge")
        names = [f"{category}/{split}/{i}" for i in range(count)]
        assert sketch.instance.tolist() == edge.instance.tolist() == names
    assert len(manifest) == 2 * sum(PAIRS[category])


@pytest.mark.full
@pytest.mark.parametrize("category", ["shoe", "chair"])
def test_both_releases_hold_the_same_sketches(data_root: Path, category: str) -> None:
    mat = open_dataset(f"qmul-{category}", data_root).manifest.where(domain="sketch")
    rgb = open_dataset(f"qmul-{category}-rgb", data_root).manifest
    drawn = rgb.where(domain="sketch")
    assert drawn.instance.tolist() == mat.instance.tolist()
    some = list(range(0, len(mat), 40))
    assert np.array_equal(
        images.load_stack(mat.take(some), GREY), images.load_stack(drawn.take(some), GREY)
    )
    photos = rgb.where(domain="photo", role="gallery")
    assert photos.instance.tolist() == mat.instance.tolist()
    assert images.read(photos.source[0], photos.root).shape == (256, 256, 3)
    assert {len(a) for a in rgb.metadata["attributes"]} == {21 if category == "shoe" else 15}
    assert photos.metadata["file"].tolist() == [str(i + 1) for i in range(len(photos))]


@pytest.mark.full
@pytest.mark.parametrize("name", ["qmul-shoe", "qmul-shoe-rgb", "qmul-chair-rgb", "qmul-handbag"])
def test_copies_of_test_images_are_known_and_not_trained_on(data_root: Path, name: str) -> None:
    dataset = open_dataset(name, data_root)
    manifest = dataset.manifest
    pixels = [images.read(s, manifest.root).tobytes() for s in manifest.source]
    tested = {pixels[row] for row in np.flatnonzero(manifest.split == "test")}
    train = np.flatnonzero(manifest.split == "train")
    copies = {str(manifest.instance[row]) for row in train if pixels[row] in tested}
    assert copies == dataset.copies
    trained = set(dataset.training().instance.tolist())
    assert trained == set(manifest.instance[train].tolist()) - copies


@pytest.mark.full
def test_the_chair_that_is_in_both_splits_is_not_trained_on(data_root: Path) -> None:
    for name in ("qmul-chair", "qmul-chair-rgb"):
        dataset = open_dataset(name, data_root)
        assert len(dataset.training()) == len(dataset.manifest.where(split="train")) - 2
        assert "chair/train/12" not in dataset.training().instance


@pytest.mark.full
@pytest.mark.parametrize("ending", ["", "-rgb"])
def test_triplets_as_released(data_root: Path, ending: str) -> None:
    shoe = open_dataset(f"qmul-shoe{ending}", data_root).triplets
    chair = open_dataset(f"qmul-chair{ending}", data_root).triplets
    assert (shoe["train"].counts.given, chair["train"].counts.given) == (41_040, 27_000)
    assert (len(shoe["train"]), len(chair["train"])) == (41_040, 27_000)
    assert (len(shoe["test"]), len(chair["test"])) == (45 * 115, 45 * 97)
    assert shoe["train"].counts.contradictions == 540
    assert (shoe["train"].nearer == shoe["train"].anchor).sum() == 7_668
    assert shoe["train"].counts.sentinels == 0
    for split in ("train", "test"):
        named = np.concatenate([shoe[split].anchor, shoe[split].nearer, shoe[split].farther])
        assert all(name.startswith(f"shoe/{split}/") for name in np.unique(named))


def test_handbags_have_no_human_triplets(data_root: Path) -> None:
    assert open_dataset("qmul-handbag", data_root).triplets == {}


@pytest.mark.full
def test_the_grey_frame_is_removed_and_nothing_else(data_root: Path) -> None:
    for category in PAIRS:
        edges = qmul.mat_manifest(data_root, category).where(domain="edge", split="test")
        stack = images.load_stack(edges, GREY)[..., 0]
        raw = [str(s).removesuffix("@frame") for s in edges.source]
        before = images.load_stack(Manifest.build(raw, edges.instance, root=edges.root), GREY)
        assert np.array_equal(stack[:, 1:-1, 1:-1], before[:, 1:-1, 1:-1, 0])
        frame = np.concatenate([stack[:, [0, -1]].ravel(), stack[:, :, [0, -1]].ravel()])
        assert frame.min() == 255
        assert (before[:, 0].min() < 250) == (category != "handbag")


@pytest.mark.full
@pytest.mark.parametrize("category", PAIRS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_pixels_are_the_files(data_root: Path, category: str, split: str) -> None:
    """Against SciPy alone, in order; edge maps apart from their frame."""
    manifest = qmul.mat_manifest(data_root, category).where(split=split)
    for domain in ("sketch", "edge"):
        file = f"{category}s/{category}s_{domain}_db_{split}.mat"
        raw = scipy.io.loadmat(data_root / "qmul_v1_mat" / file)["data"]
        read = images.load_stack(manifest.where(domain=domain), GREY)[..., 0]
        inner = (slice(None), slice(1, -1), slice(1, -1)) if domain == "edge" else ...
        assert np.array_equal(read[inner], raw[inner])


@pytest.mark.full
@pytest.mark.parametrize(
    ("category", "published"),
    [
        ("shoe", 29.6),
        ("chair", 62.9),
        ("handbag", 21.4),
    ],
)
def test_plain_hog_finds_what_it_is_known_to_find(
    data_root: Path, category: str, published: float
) -> None:
    manifest = open_dataset(f"qmul-{category}", data_root).manifest.where(split="test")
    query, gallery = (manifest.where(role=role) for role in ("query", "gallery"))

    def features(part: Manifest) -> np.ndarray:
        stack = images.load_stack(part, GREY)[..., 0]
        stack[:, [0, 1, 2, -3, -2, -1]] = 255
        stack[:, :, [0, 1, 2, -3, -2, -1]] = 255
        found = np.stack([hog(i, 9, (32, 32), (2, 2)) for i in stack])
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    a, b = features(query), features(gallery)
    distances = ((a[:, None] - b[None]) ** 2).sum(-1)
    hit = gallery.instance[distances.argmin(1)] == query.instance
    assert 100 * hit.mean() == pytest.approx(published, abs=2)


def released(root: Path, folder: str = "shoes", edges: int = 3) -> Path:
    home = root / "qmul_v1_mat" / folder
    home.mkdir(parents=True)
    white = np.full((3, 8, 8), 255, np.uint8)
    for split in ("train", "test"):
        scipy.io.savemat(home / f"{folder}_sketch_db_{split}.mat", {"data": white})
        scipy.io.savemat(home / f"{folder}_edge_db_{split}.mat", {"data": white[:edges]})
    lists = {"triplets": [[[0, 1]], [[2, 1]], []]}
    annotation = json.dumps({"train": lists, "test": lists})
    (home / f"{folder}_annotation.json").write_text(annotation)
    return home


def test_made_up_release(tmp_path: Path) -> None:
    released(tmp_path)
    assert len(open_dataset("qmul-shoe", tmp_path).manifest) == 12
    assert len(open_dataset("qmul-shoe", tmp_path / "qmul_v1_mat").triplets["test"]) == 2


def test_sketches_and_edge_maps_must_pair(tmp_path: Path) -> None:
    released(tmp_path, edges=2)
    with pytest.raises(DataError, match="3 sketches and 2 edge maps in train"):
        open_dataset("qmul-shoe", tmp_path)


def test_missing_and_wrong_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="qmul-shoe is not in"):
        open_dataset("qmul-shoe", tmp_path)
    home = released(tmp_path)
    file = home / "shoes_edge_db_test.mat"
    for array, words in (
        ({"other": np.zeros((3, 8, 8), np.uint8)}, "'data' is needed"),
        ({"data": np.zeros((3, 8, 8))}, "float64"),
        ({"data": np.zeros((8, 8), np.uint8)}, "shape"),
    ):
        scipy.io.savemat(file, array)
        with pytest.raises(DataError, match=rf"(?s)shoes_edge_db_test\.mat.*{words}|{words}"):
            open_dataset("qmul-shoe", tmp_path)
    whole = (home / "shoes_sketch_db_test.mat").read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"shoes_edge_db_test\.mat"):
        open_dataset("qmul-shoe", tmp_path)
    file.unlink()
    with pytest.raises(DataError, match=r"there is no .*shoes_edge_db_test\.mat"):
        open_dataset("qmul-shoe", tmp_path)


def test_another_sets_annotation_does_not_fit(tmp_path: Path) -> None:
    home = released(tmp_path)
    lists = {"triplets": [[[0, 1]]] * 4}
    (home / "shoes_annotation.json").write_text(json.dumps({"train": lists, "test": lists}))
    with pytest.raises(DataError, match="4 sketches for 3 pairs"):
        open_dataset("qmul-shoe", tmp_path)


def rgb_files() -> dict[str, bytes]:
    png, jpg = io.BytesIO(), io.BytesIO()
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(png, "PNG")
    Image.new("RGB", (8, 8), "red").save(jpg, "JPEG")
    lists, files = {}, {}
    for split, ids in (("train", (1, 2)), ("test", (3,))):
        lists[split] = {
            "images": [f"{i}.jpg" for i in ids],
            "sketches": [f"{i}.png" for i in ids],
            "triplets": [[] for _ in ids],
        }
        files |= {f"{split}/images/{i}.jpg": jpg.getvalue() for i in ids}
        files |= {f"{split}/sketches/{i}.png": png.getvalue() for i in ids}
    files["annotation/shoes_annotation.json"] = json.dumps(lists).encode()
    for name in ("image", "sketch"):
        mat = io.BytesIO()
        scipy.io.savemat(mat, {"label": np.eye(3, 21, dtype=np.uint8)})
        files[f"annotation/{name}_label.mat"] = mat.getvalue()
    return files


def test_rgb_from_a_zip_and_from_its_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "qmul_v1_rgb.zip", "w") as archive:
        for name, content in rgb_files().items():
            archive.writestr(f"qmul_v1/shoes/{name}", content)
    packed = open_dataset("qmul-shoe-rgb", tmp_path).manifest
    with zipfile.ZipFile(tmp_path / "qmul_v1_rgb.zip") as archive:
        archive.extractall(tmp_path / "other")
    unpacked = open_dataset("qmul-shoe-rgb", tmp_path / "other").manifest
    assert packed.instance.tolist() == unpacked.instance.tolist()
    assert packed.metadata["attributes"][1] == "01" + "0" * 19
    for manifest in (packed, unpacked):
        sketch = manifest.where(domain="sketch")
        assert images.read(sketch.source[0], manifest.root).min() == 255


def test_rgb_release_with_a_photo_missing(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "qmul_v1_rgb.zip", "w") as archive:
        for name, content in rgb_files().items():
            if name != "test/images/3.jpg":
                archive.writestr(f"qmul_v1/shoes/{name}", content)
    with pytest.raises(DataError, match=r"lacks .*test/images/3\.jpg"):
        open_dataset("qmul-shoe-rgb", tmp_path)
