from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from cdim.data import images
from cdim.data.manifest import Manifest
from cdim.data.sets import folder
from cdim.data.tree import Tree
from cdim.errors import DataError


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(root / name)
    return root


def read(root: Path, layout: str | None = None) -> Manifest:
    return folder.manifest(Tree.open(root), layout)


def rows(root: Path, layout: str | None = None) -> list[tuple[str, ...]]:
    return [(str(r.source), r.instance, r.domain, r.split, r.role) for r in read(root, layout)]


def test_a_folder_an_instance(tmp_path: Path) -> None:
    put(tmp_path, "x/1.png", "x/2.JPG", "y y/ü.png", ".git/a.png")
    (tmp_path / "notes.txt").write_text("not an image")
    assert rows(tmp_path) == [
        ("x/1.png", "x", "photo", "", ""),
        ("x/2.JPG", "x", "photo", "", ""),
        ("y y/ü.png", "y y", "photo", "", ""),
    ]
    manifest = read(tmp_path)
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
        (["trainA/s_1.png", "trainB/t.png"], r"no match for the sketch trainA/s_1\.png"),
        (["sketches/a.png", "photos/b.jpg"], r"no match for the sketch sketches/a\.png"),
        (["query/a.png", "gallery/b.jpg"], r"no match for the query query/a\.png"),
        (["shoes/s1/a.jpg", "bags/b1/a.jpg"], r"{category}/{instance}, else {instance}/{domain}"),
        (
            ["x/day/a.jpg", "y/day/a.jpg", "y/2/a.jpg"],
            r"{instance}/{domain}, else {category}/{instance}",
        ),
        (["a/b/c/d.jpg", "e/f/g/h.jpg"], r"{category}/\*/{instance}"),
        (
            [
                f"{side}/tx{n}/{name}{end}.png"
                for side, end in (("photo", ""), ("sketch", "-1"))
                for name in ("ape/a_1", "ape/a_2", "bear/b_1", "bear/b_2")
                for n in "01"
            ],
            r"would read the layout {domain}/\*/{category};",
        ),
        (
            ["train/a.jpg", "car/b.jpg"],
            r"train .* is called like a split, and car beside it is not",
        ),
        (["Test/s/a.jpg", "shoe/s/b.jpg"], r"would read the layout {instance}/\*\*"),
        (["x/sketch/a.jpg", "x/day/b.jpg", "y/day/b.jpg"], r"the layout {instance}/{domain};"),
    ],
)
def test_folders_that_cannot_be_read(tmp_path: Path, names: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(put(tmp_path, *names))


def columns(root: Path, *names: str, layout: str | None = None) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in rows(put(root, *names), layout)}


def test_queries_and_a_gallery(tmp_path: Path) -> None:
    assert columns(tmp_path, "Query/7/a.jpg", "gallery/7/b.jpg", "gallery/8/c.jpg") == {
        "Query/7/a.jpg": ("7", "photo", "", "query"),
        "gallery/7/b.jpg": ("7", "photo", "", "gallery"),
        "gallery/8/c.jpg": ("8", "photo", "", "gallery"),
    }


def test_train_query_and_test(tmp_path: Path) -> None:
    assert columns(tmp_path, "Train/a/1.jpg", "Query/c/1.jpg", "Test/c/2.jpg") == {
        "Train/a/1.jpg": ("a", "photo", "train", ""),
        "Query/c/1.jpg": ("c", "photo", "test", "query"),
        "Test/c/2.jpg": ("c", "photo", "test", "gallery"),
    }


def test_other_words_for_splits_and_the_gallery(tmp_path: Path) -> None:
    names = ("train_val/a/1.jpg", "dev/b/1.jpg", "queries/c/1.jpg", "database/c/2.jpg")
    assert columns(tmp_path, *names) == {
        "train_val/a/1.jpg": ("a", "photo", "train", ""),
        "dev/b/1.jpg": ("b", "photo", "val", ""),
        "queries/c/1.jpg": ("c", "photo", "test", "query"),
        "database/c/2.jpg": ("c", "photo", "test", "gallery"),
    }


def test_vehicles_as_veri_has_them(tmp_path: Path) -> None:
    names = ["image_train/0001_c001_1.jpg", "image_query/0003_c001_1.jpg"]
    names += ["image_test/0003_c002_1.jpg", "image_test/-1_c002_1.jpg"]
    assert columns(tmp_path / "VeRi", *(f"VeRi/{name}" for name in names)) == {
        "VeRi/image_train/0001_c001_1.jpg": ("0001", "photo", "train", ""),
        "VeRi/image_query/0003_c001_1.jpg": ("0003", "photo", "test", "query"),
        "VeRi/image_test/0003_c002_1.jpg": ("0003", "photo", "test", "gallery"),
        "VeRi/image_test/-1_c002_1.jpg": ("-1", "photo", "test", "junk"),
    }
    assert read(tmp_path / "VeRi").camera.tolist() == [1, 2, 2, 1]


SKETCHY = [
    *("photo/airplane/n02_1.jpg", "photo/airplane/n02_2.jpg", "photo/bear/n03_7.jpg"),
    *("sketch/airplane/n02_1-1.png", "sketch/airplane/n02_2-10.png", "sketch/bear/n03_7-1.png"),
]


def sketchy(place: str) -> list[str]:
    parts = [name.split("/") for name in SKETCHY]
    return [f"{place.format(domain, kind)}/{file}" for domain, kind, file in parts]


@pytest.mark.parametrize(
    "place", ["{}/{}", "256x256/{}/{}", "{0}/tx_{0}/{1}", "256x256/{0}/tx_{0}/{1}"]
)
def test_sketches_of_photos_of_many_kinds(tmp_path: Path, place: str) -> None:
    names = sketchy(place)
    found = columns(tmp_path, *names)
    instances = ["airplane/n02_1", "airplane/n02_2", "bear/n03_7"]
    assert [found[name][0] for name in names] == 2 * instances
    assert {name: row[3] for name, row in found.items()} == {
        name: "gallery" if "photo/" in name else "query" for name in names
    }
    assert sorted(set(read(tmp_path).category.tolist())) == ["airplane", "bear"]


def test_a_sketch_whose_photo_is_lost_makes_no_thing_of_a_kind(tmp_path: Path) -> None:
    put(tmp_path / "sketchy", *SKETCHY, "sketch/bear/n03_8-1.png")
    shoes = ("A/1_1", "A/2_1", "A/3_1", "B/1", "B/2")
    put(tmp_path / "shoes", *(f"ShoeV2/train{name}.png" for name in shoes))
    with pytest.raises(DataError, match=r"no match for the sketch sketch/bear/n03_8-1\.png"):
        read(tmp_path / "sketchy")
    with pytest.raises(DataError, match=r"no match for the sketch ShoeV2/trainA/3_1\.png"):
        read(tmp_path / "shoes")


def test_kinds_above_domains_may_be_things(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"layout {category}/{domain}, else {instance}/{domain}"):
        columns(tmp_path, *sketchy("{1}/{0}"))


def test_sketches_and_photos_of_things(tmp_path: Path) -> None:
    found = columns(tmp_path, *(f"{d}/s{n}/{d}.png" for d in ("Sketches", "photo") for n in (1, 2)))
    assert found["Sketches/s1/Sketches.png"] == ("s1", "sketch", "", "query")
    assert found["photo/s2/photo.png"] == ("s2", "photo", "", "gallery")


def test_pairs_by_the_names_of_files(tmp_path: Path) -> None:
    names = [f"{d}/{n}.png" for d in ("sketches", "photos") for n in (17, 18)]
    assert columns(tmp_path, *names) == {
        "photos/17.png": ("17", "photo", "", "gallery"),
        "photos/18.png": ("18", "photo", "", "gallery"),
        "sketches/17.png": ("17", "sketch", "", "query"),
        "sketches/18.png": ("18", "sketch", "", "query"),
    }


def test_edge_maps_belong_to_photos_of_their_names(tmp_path: Path) -> None:
    assert columns(tmp_path, "edges/17.png", "photos/17.jpg") == {
        "edges/17.png": ("17", "edge", "", ""),
        "photos/17.jpg": ("17", "photo", "", ""),
    }


def test_the_folders_of_qmul(tmp_path: Path) -> None:
    names = [
        f"{k}/{s}/{d}/{n}"
        for k in ("shoes", "chairs")
        for s in ("train", "test")
        for d, n in (("images", "1.jpg"), ("images", "2.jpg"), ("sketches", "1.png"))
    ]
    found = columns(tmp_path, *names)
    assert found["shoes/train/images/1.jpg"] == ("train/shoes/1", "photo", "train", "gallery")
    assert found["chairs/test/sketches/1.png"] == ("test/chairs/1", "sketch", "test", "query")


def test_sides_of_a_thing_are_photos(tmp_path: Path) -> None:
    names = ["shoe/front/a.jpg", "shoe/Back 2/b.jpg", "boot/front/c.jpg"]
    assert columns(tmp_path / "a", *names) == {
        name: (name.partition("/")[0], "photo", "", "") for name in names
    }
    with_sketch = columns(tmp_path / "b", *names, "shoe/sketch/s.png")
    assert with_sketch["shoe/Back 2/b.jpg"] == ("shoe", "photo", "", "gallery")
    assert with_sketch["shoe/sketch/s.png"] == ("shoe", "sketch", "", "query")


AMBIGUOUS = [
    "photo/s1/1.jpg",
    "photo/s1/2.jpg",
    "sketch/s1/1.png",
    "photo/s2/3.jpg",
    "sketch/s2/3.png",
]


def test_a_thing_with_several_photos_may_be_a_kind(tmp_path: Path) -> None:
    put(tmp_path, *AMBIGUOUS)
    with pytest.raises(DataError, match=r"layout {domain}/{category}, else {domain}/{instance}"):
        read(tmp_path)
    assert dict(r[:2] for r in rows(tmp_path, "{domain}/{category}"))["sketch/s1/1.png"] == "s1/1"
    assert dict(r[:2] for r in rows(tmp_path, "{domain}/{instance}"))["sketch/s1/1.png"] == "s1"


def test_a_layout_by_hand(tmp_path: Path) -> None:
    names = ["shoes/s1/day/a.jpg", "bags/b1/night/b.jpg"]
    found = columns(tmp_path, *names, layout="{category}/{instance}/{domain}")
    assert found["shoes/s1/day/a.jpg"] == ("s1", "day", "", "")
    assert read(tmp_path, "{category}/**").category.tolist() == ["bags", "shoes"]
    assert [row[1] for row in rows(tmp_path, "{instance}/**")] == ["bags", "shoes"]
    assert [row[1] for row in rows(tmp_path, "**")] == sorted(names)
    assert [row[1] for row in rows(tmp_path, "*/{instance}/*")] == ["b1", "s1"]


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ("{instanc}/*/*", r"did you mean '{instance}'"),
        ("shoes/*", r"its levels are of {split}, {role}"),
        ("**/{instance}", r"\*\* is the last"),
        ("{instance}/{instance}/*", "twice"),
        ("{instance}", r"lies in 2 folders, the layout '{instance}' has 1"),
        ("{instance}/*/*/**", "has 3"),
        ("{split}/{instance}", r"the folder 'shoes' where the layout has {split}"),
    ],
)
def test_layouts_that_do_not_fit(tmp_path: Path, layout: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read(put(tmp_path, "shoes/s1/a.jpg"), layout)
    assert caught.value.argument == "layout"


def test_what_a_gallery_takes(tmp_path: Path) -> None:
    sketchy = put(tmp_path / "a", *SKETCHY)
    assert folder.searchable(Tree.open(sketchy)) == dict.fromkeys(SKETCHY[:3], "photo")
    assert folder.searchable(Tree.open(sketchy), "**") == dict.fromkeys(sorted(SKETCHY), "")
    plain = put(tmp_path / "b", "x/day/a.jpg", "b.jpg", "train/y/c.jpg")
    assert list(folder.searchable(Tree.open(plain)).values()) == ["", "", ""]
    people = put(tmp_path / "c", "query/1_c1.jpg", "bounding_box_test/1_c2.jpg")
    put(people, "bounding_box_test/-1_c2.jpg")
    assert folder.searchable(Tree.open(people)) == {"bounding_box_test/1_c2.jpg": ""}


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no"):
        read(tmp_path / "no")


def test_a_zip_is_read_as_its_folder_is(tmp_path: Path) -> None:
    unpacked = put(tmp_path / "photos", *SKETCHY)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name in SKETCHY:
            archive.write(unpacked / name, name)
    packed = read(tmp_path / "photos.zip")
    assert packed.instance.tolist() == read(unpacked).instance.tolist()
    assert images.read(packed.source[0], packed.root).shape == (4, 4, 3)
