from __future__ import annotations

import importlib.util
import io
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.made import mean_colours

from cdim.bundles import encoder
from cdim.bundles.bundle import save_bundle
from cdim.bundles.encoder import Encoder
from cdim.data.manifest import Manifest
from cdim.errors import DataError, ImageError, MissingExtra, ModelError, UsageError

RED, GREEN = (255, 0, 0), (0, 255, 0)


def save(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), colour).save(path)
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("bundle")
    mean_colours(place)
    return place


@pytest.fixture(params=["onnxruntime", "openvino"])
def model(request, folder):
    return Encoder(folder, request.param)


def test_every_kind_of_image_gives_the_same_vector(model, tmp_path):
    path = save(tmp_path / "a.png", RED)
    array = np.array(Image.open(path))
    kinds = [str(path), path, path.read_bytes(), Image.open(path), array]
    for kind in kinds:
        assert model.encode(kind) == pytest.approx(np.array([[1, 0, 0]]), abs=1e-6)
    assert model.encode(kinds) == pytest.approx(np.tile([1, 0, 0], (5, 1)), abs=1e-6)
    assert model.encode(path).vectors.dtype == np.float32


def test_a_folder_is_all_its_images_by_name(model, tmp_path):
    save(tmp_path / "b.png", GREEN)
    save(tmp_path / "a" / "z.png", RED)
    save(tmp_path / ".hidden.png", RED)
    (tmp_path / "notes.txt").write_text("no image")
    assert model.encode(tmp_path) == pytest.approx(np.array([[1, 0, 0], [0, 1, 0]]), abs=1e-6)


def test_many_images_come_in_their_order_with_progress(model):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (2 * encoder.BATCH + 7, 3), dtype=np.uint8)
    given = [np.broadcast_to(c, (9, 5, 3)).copy() for c in colours]
    seen = []
    found = model.encode(given, progress=lambda *now: seen.append(now))
    assert found == pytest.approx(colours / 255, abs=1e-5)
    assert seen == [(32, 71), (64, 71), (71, 71)]


def test_a_bar_can_be_shown(model, capsys):
    model.encode([np.zeros((4, 4), dtype=np.uint8)], progress=True)
    assert "1/1" in capsys.readouterr().err


def test_features_are_an_output_of_their_own(tmp_path):
    made = mean_colours(tmp_path / "b", domain_input=("photo", "sketch"))
    model = Encoder(made)
    image = np.full((4, 4, 3), 255, dtype=np.uint8)
    assert model.encode(image, "sketch") == pytest.approx(np.full((1, 3), 0.5), abs=1e-6)
    assert model.encode(image, "photo") == pytest.approx(np.ones((1, 3)), abs=1e-6)
    assert model.encode(image, "sketch", output="features") == pytest.approx(np.ones((1, 3)))
    assert model.encode_query(image) == pytest.approx(np.full((1, 3), 0.5), abs=1e-6)
    assert model.encode_gallery(image) == pytest.approx(np.ones((1, 3)), abs=1e-6)
    assert model.encode_pixels([image], "sketch") == pytest.approx(np.full((1, 3), 0.5), abs=1e-6)


def test_a_manifest_is_embedded_by_its_own_domains(tmp_path):
    made = mean_colours(tmp_path / "b", domain_input=("photo", "sketch"))
    white = np.full((4, 4, 3), 255, dtype=np.uint8)
    manifest = Manifest.build([white, white], ["1", "2"], domain=["sketch", "photo"])
    model = Encoder(made)
    assert model.embed(manifest) == pytest.approx(np.array([[0.5] * 3, [1.0] * 3]), abs=1e-6)
    assert model.inputs(manifest)["domain"].tolist() == [1, 0]
    with pytest.raises(ModelError, match="domain 'edge'"):
        model.embed(Manifest.build([white], ["1"], domain="edge"))


def test_photos_become_edge_maps_where_the_bundle_says_so(tmp_path):
    from cdim.data.edges import edge_map

    made = mean_colours(
        tmp_path / "b",
        domains={"sketch": "sketch", "edge": "edge", "photo": "edge"},
        domain_input=("edge", "sketch"),
    )
    model = Encoder(made)
    photo = np.zeros((60, 60, 3), dtype=np.uint8)
    photo[20:40, 20:40] = (200, 30, 90)
    wanted = model.encode(edge_map(photo), "edge")
    assert model.encode(photo, "photo") == pytest.approx(wanted)
    assert model.encode(photo, "edge") != pytest.approx(wanted)


def test_two_engines_agree(folder):
    assert importlib.util.find_spec("openvino"), "the tests install the extra [openvino]"
    rng = np.random.default_rng(1)
    given = [rng.integers(0, 256, (20, 30, 3), dtype=np.uint8) for _ in range(5)]
    one, other = (Encoder(folder, e).encode(given) for e in ("onnxruntime", "openvino"))
    assert one == pytest.approx(other, abs=1e-5)


def test_the_engine_is_chosen_and_named(folder, monkeypatch):
    assert Encoder(folder).engine == "openvino"
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert Encoder(folder).engine == "onnxruntime"
    with pytest.raises(MissingExtra, match=r"cdim\[openvino\]"):
        Encoder(folder, "openvino")
    with pytest.raises(UsageError, match=r"'onnxrumtime'.*did you mean"):
        Encoder(folder, "onnxrumtime")


def test_several_threads_may_share_an_encoder(model):
    rng = np.random.default_rng(2)
    given = [rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in range(40)]
    wanted, found = model.encode(given), {}

    def work(number):
        found[number] = model.encode(given[number::4])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        assert found[number] == pytest.approx(wanted.vectors[number::4], abs=1e-6)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ([], UsageError, "no image"),
        (3, UsageError, "int for an image"),
        (np.zeros((4, 4)), UsageError, "float64"),
        (np.zeros((4, 4, 4), dtype=np.uint8), UsageError, r"\(4, 4, 4\)"),
        (np.zeros((0, 4), dtype=np.uint8), UsageError, "not empty"),
        ("a" * 5000, ImageError, "aaa"),
        (b"no image", ImageError, "the image"),
        ("nowhere.png", ImageError, r"nowhere\.png"),
        (Image.new("F", (4, 4)), UsageError, "PIL image of mode F"),
    ],
)
def test_what_is_no_image_is_named(folder, source, error, message):
    with pytest.raises(error, match=message):
        Encoder(folder).encode(source)


def test_a_pil_image_that_breaks_off_is_an_error(folder, tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (60, 60, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    with pytest.raises(ImageError, match="cannot be decoded"):
        Encoder(folder).encode(Image.open(io.BytesIO(data[: len(data) // 2])))


def test_an_output_that_does_not_exist_is_an_error(folder):
    with pytest.raises(UsageError, match="'embeddings'"):
        Encoder(folder).encode(np.zeros((4, 4), dtype=np.uint8), output="embeddings")


def test_files_that_do_not_go_together_are_refused(tmp_path):
    made = mean_colours(tmp_path / "b")
    data = made.model.read_bytes()
    made.model.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ModelError, match="another fingerprint"):
        Encoder(tmp_path / "b")


def test_an_empty_folder_and_an_unknown_domain_are_errors(folder, tmp_path):
    with pytest.raises(DataError, match="no images"):
        Encoder(folder).encode(tmp_path)
    with pytest.raises(ModelError, match=r"'skech'.*did you mean 'sketch'"):
        Encoder(folder).encode(np.zeros((4, 4), dtype=np.uint8), "skech")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_damaged_graph_is_an_error(tmp_path, engine):
    made = mean_colours(tmp_path / "b")
    made.model.write_bytes(b"no graph")
    with pytest.raises(ModelError, match="cannot load"):
        Encoder(save_bundle(made, made.folder), engine)


def test_the_package_offers_it(folder):
    import cdim

    stream = io.BytesIO()
    Image.new("RGB", (4, 4), RED).save(stream, "PNG")
    assert cdim.load(str(folder)).encode(stream.getvalue()).vectors.shape == (1, 3)
    assert Path(cdim.load(folder).bundle.folder) == folder
    with pytest.raises(AttributeError, match="cdim"):
        _ = cdim.nothing
