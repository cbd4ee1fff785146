from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cdim.data.manifest import Manifest
from cdim.data.sets.catalogue import KNOWN, Dataset, open_dataset
from cdim.errors import DataError, UsageError


def test_cards_say_what_a_user_needs() -> None:
    assert {"qmul-shoe", "qmul-chair", "qmul-handbag", "chairv2", "quickdraw", "synthetic"} <= set(
        KNOWN
    )
    for name, card in KNOWN.items():
        assert card.name == name
        assert card.title
        assert card.where
        assert card.terms


def test_the_data_root_comes_from_the_argument_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CDIM_DATA", raising=False)
    with pytest.raises(DataError, match="environment variable CDIM_DATA"):
        open_dataset("quickdraw")
    monkeypatch.setenv("CDIM_DATA", str(tmp_path / "no"))
    with pytest.raises(DataError, match="is no folder"):
        open_dataset("quickdraw")
    monkeypatch.setenv("CDIM_DATA", str(tmp_path))
    with pytest.raises(DataError, match="is not in"):
        open_dataset("quickdraw")


def test_a_wrong_name_names_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean 'qmul-shoe'"):
        open_dataset("qmul-sho")


def test_csv_and_folder(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "x" / "a.png")
    Manifest.build(["x/a.png"], ["x"], root=tmp_path).to_csv(tmp_path / "m.csv")
    for path in (tmp_path, tmp_path / "m.csv"):
        dataset = open_dataset(str(path))
        assert dataset.manifest.instance.tolist() == ["x"]
        assert dataset.triplets == {}


def test_a_folder_by_its_layout_and_without_what_is_excluded(tmp_path: Path) -> None:
    for name in ("shoes/s1/a.png", "bags/b1/b.png", "old/o1/c.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    dataset = open_dataset(tmp_path, layout="{category}/{instance}", exclude=["old"])
    assert dataset.manifest.instance.tolist() == ["b1", "s1"]
    assert dataset.manifest.category.tolist() == ["bags", "shoes"]
    assert dataset.left_out == (("old/o1/c.png", "excluded"),)
    with pytest.raises(UsageError, match="a layout for 'synthetic'; that is for a folder or a zip"):
        open_dataset("synthetic", layout="**")
    with pytest.raises(DataError, match="there is no"):
        open_dataset(tmp_path / "nowhere", layout="**")


def test_images_outside_of_a_released_layout_are_left_out(tmp_path: Path) -> None:
    names = ["query/1_c1.jpg", "bounding_box_test/1_c2.jpg", "gt_bbox/2_c1.jpg", "more/x.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    dataset = open_dataset(tmp_path)
    assert len(dataset.manifest) == 2
    assert dict(dataset.left_out) == dict.fromkeys(names[2:], "outside of the layout")


@pytest.mark.parametrize("name", ["synthetic:", "synthetic:0", "synthetic:3:1:2", "synthetic:a"])
def test_wrong_synthetic_names(name: str) -> None:
    with pytest.raises(DataError, match="<instances>"):
        open_dataset(name)


def test_synthetic_of_any_size_and_seed() -> None:
    assert len(instances(open_dataset("synthetic:6:1").manifest)) == 6
    assert open_dataset("synthetic").name == "synthetic"


def instances(manifest: Manifest) -> set[str]:
    return set(manifest.instance.tolist())


def test_copies_of_test_images_are_not_learned_from() -> None:
    manifest = Manifest.build(
        list("abcd"), [1, 1, 2, 3], split=["train", "train", "train", "test"], role="gallery"
    )
    assert Dataset("mine", manifest).training().instance.tolist() == ["1", "1", "2"]
    left = Dataset("mine", manifest, copies=frozenset({"1", "3"})).training()
    assert left.instance.tolist() == ["2"]
