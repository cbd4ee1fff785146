from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.made import mean_colours

from cdim.bundles.queries import is_drawing, read_query
from cdim.data import strokes
from cdim.data.images import read
from cdim.data.sets import qmul
from cdim.data.synthetic import dataset
from cdim.errors import DataError, ImageError, ModelError, UsageError

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0 L80 0 L80 40"/></svg>'
STROKES = [[[0, 0], [80, 0], [80, 40]]]


def photo(size=64):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (size, size, 3), dtype=np.uint8)


def sketch():
    return strokes.draw(strokes.Strokes([np.array([[30, 30], [220, 40], [100, 200]])]))


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    return mean_colours(tmp_path_factory.mktemp("queries") / "colours")


@pytest.fixture
def knows(bundle):
    """A bundle that takes the domains named."""
    return lambda *domains: replace(bundle, domains={d: d for d in domains})


def test_a_drawing_is_the_same_from_svg_json_and_quick_draw(tmp_path, bundle):
    columns = {"word": "shoe", "drawing": [[[0, 80, 80], [0, 0, 40]]]}
    files = {
        "a.svg": SVG,
        "b.JSON": json.dumps({"strokes": STROKES, "width": 300, "height": 200}),
        "c.json": json.dumps(STROKES),
        "d.json": json.dumps(columns),
        "e.ndjson": json.dumps(columns) + "\n",
        "f.ndjson": json.dumps(columns) + "\n" + json.dumps([[[1, 2]]]),
    }
    looks = []
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        number = "#1" * (name == "f.ndjson")
        looks.append(read_query(f"{tmp_path / name}{number}", None, bundle))
        if not number:
            looks.append(read_query(text.encode(), None, bundle))
    looks.append(read_query([[], *STROKES], None, bundle))
    looks.append(read_query(columns, None, bundle))
    for found in looks:
        assert found.domain == "sketch"
        assert np.array_equal(found.pixels, looks[0].pixels)
    rows, columns_ = np.nonzero(looks[0].pixels < 255)
    assert abs(np.ptp(columns_) - 225) <= 2
    assert abs(np.ptp(rows) - 112.5) <= 2


def test_the_domain_of_a_drawing_can_be_another(tmp_path, knows):
    (tmp_path / "a.svg").write_text(SVG)
    assert read_query(tmp_path / "a.svg", "edge", knows("edge", "photo")).domain == "edge"
    with pytest.raises(ModelError, match="sketch"):
        read_query(tmp_path / "a.svg", None, knows("edge", "photo"))


def test_images_come_as_files_bytes_pillow_and_arrays(tmp_path, bundle):
    pixels = photo()
    picture = Image.fromarray(pixels)
    picture.save(tmp_path / "a.png")
    for source in (
        *(tmp_path / "a.png", str(tmp_path / "a.png")),
        *((tmp_path / "a.png").read_bytes(), picture, pixels),
    ):
        found = read_query(source, None, bundle)
        assert np.array_equal(found.pixels, pixels)
        assert found.domain == "photo"


def test_a_given_domain_is_taken(bundle):
    assert read_query(photo(), "sketch", bundle).domain == "sketch"
    with pytest.raises(ModelError, match="foto"):
        read_query(photo(), "foto", bundle)


def test_the_only_domain_of_a_model_is_taken(knows):
    assert read_query(sketch(), None, knows("photo")).domain == "photo"
    assert read_query(photo(), None, knows("night")).domain == "night"


def test_where_the_likely_domain_is_unknown_it_is_asked_for(knows):
    with pytest.raises(UsageError, match="domain"):
        read_query(photo(), None, knows("sketch", "edge"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(("a.svg", b"<svg"), ("a.json", b"{}"), ("a.png", b"no image"), ("a.svg", b"")),
        ("a.json", b'{"strokes": [[[1, 2], [3]]]}'),
    ],
)
def test_a_broken_file_is_named(tmp_path, bundle, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=name):
        read_query(tmp_path / name, None, bundle)


def test_a_missing_file_is_named(tmp_path, bundle):
    for name in ("a.svg", "a.json", "a.png", "a.ndjson#3", "a.zip!b.png"):
        with pytest.raises(ImageError, match=f"there is no file .*{name}.*check the path"):
            read_query(tmp_path / name, None, bundle)


def test_mistakes_of_a_query_are_answered_by_what_helps(tmp_path, bundle, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "shoe.jpg").touch()
    (tmp_path / "notes.txt").write_text("buy shoes, grün")
    points = np.ones((2, 3), np.float32)
    np.savez(tmp_path / "many.npz", keys=["a", "b"], offsets=[0, 1, 2], points=points)
    np.savez(tmp_path / "one.npz", keys=["a"], offsets=[0, 2], points=points)
    np.savez(
        tmp_path / "none.npz", keys=np.array([], str), offsets=np.zeros(1, int), points=points[:0]
    )
    assert read_query("one.npz", None, bundle).domain == "sketch"
    (tmp_path / "many.ndjson").write_text("[[[1, 2]]]\n" * 3)
    (tmp_path / "link.jpg").symlink_to("gone.jpg")
    said = {
        "photos": "photos is a folder.*name files of the folder",
        "photos/shoe.jgp": "did you mean 'shoe.jpg'",
        "photo/shoe.jpg": "did you mean 'photos'",
        "link.jpg": "correct the link 'link.jpg': it leads to 'gone.jpg'",
        "red shoe": "words are no query.*filter by metadata",
        "notes.txt": "notes.txt is a text",
        "many.ndjson": "3 drawings",
        "many.npz": "2 drawings.*npz#a",
        "none.npz": "0 drawings",
        "many.ndjson#4": "1 to 3",
    }
    for name, words in said.items():
        with pytest.raises(DataError, match=words):
            read_query(name, None, bundle)


def test_what_is_no_image(bundle):
    with pytest.raises(UsageError, match="float64"):
        read_query(np.zeros((3, 3)), None, bundle)


def test_lines_on_white_are_a_drawing_at_any_size_and_in_any_file():
    lines = sketch()
    assert is_drawing(lines)
    assert is_drawing(np.dstack([lines] * 3))
    assert is_drawing(np.asarray(Image.fromarray(lines).resize((1200, 900))))
    assert is_drawing(np.where(lines[..., None] < 255, [0, 60, 200], 255).astype(np.uint8))
    file = io.BytesIO()
    Image.fromarray(lines).save(file, "JPEG", quality=60)
    assert is_drawing(np.asarray(Image.open(file)))


@pytest.mark.parametrize(
    "pixels",
    [
        photo(),
        np.full((40, 40), 128, np.uint8),
        255 - sketch(),
        np.pad(np.zeros((60, 60), np.uint8), 90, constant_values=255),
    ],
    ids=["noise", "grey", "white on black", "a black thing on white"],
)
def test_what_is_not_taken_for_a_drawing(pixels):
    assert not is_drawing(pixels)


def test_made_up_drawings_and_photos_are_told_apart():
    made = dataset.manifest(20)
    for domain in ("sketch", "photo"):
        rows = made.where(domain=domain)
        wrong = [is_drawing(read(s)) != (domain == "sketch") for s in rows.source]
        assert not any(wrong)


def test_real_drawings_and_photos_are_told_apart(data_root):
    wrong = total = 0
    for category in ("shoe", "chair"):
        everything = qmul.rgb_manifest(data_root, category).where(split="train")
        chosen = everything.take(range(0, len(everything), 8))
        for source, domain in zip(chosen.source, chosen.domain, strict=True):
            wrong += is_drawing(read(source, chosen.root)) != (domain == "sketch")
            total += 1
    assert total > 120
    assert wrong <= 1
