"""What `import cdim` gives: its names, its lightness, its lines as printed, its errors."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import cdim
from cdim import strict
from cdim.data.images import read
from cdim.data.synthetic import dataset
from cdim.judge.options import EvalOptions
from tests.made import mean_colours

NAMES = [
    *("CdimError", "DataError", "Encoder", "Gallery", "GalleryError", "ImageError", "Like"),
    *("Manifest", "MissingExtra", "ModelError", "RecipeError", "Report", "TrainingError"),
    *("UsageError", "__version__", "adapt", "compare", "evaluate", "export", "list_datasets"),
    *("list_models", "load", "open_dataset", "train"),
]


def test_the_names_are_these_and_each_is_there():
    assert sorted(cdim.__all__) == sorted(NAMES) == sorted(dir(cdim))
    for name in NAMES:
        assert getattr(cdim, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = cdim.nothing


def test_the_package_imports_nothing_heavy():
    code = (
        "import time; start = time.process_time(); import cdim; dir(cdim)\n"
        "took = time.process_time() - start; import sys\n"
        "print(took, {'numpy', 'PIL', 'scipy', 'onnxruntime', 'qdrant_edge'} & set(sys.modules))"
    )
    times = []
    for _ in range(3):  # the first may compile, and a busy machine is slower
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        took, _, heavy = done.stdout.partition(" ")
        assert heavy.strip() == "set()"
        times.append(float(took))
    assert min(times) <= 0.1


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A current folder with photos of made-up products and a sketch of the one that is named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    rows = dataset.manifest(30, 1).where(split="test")
    photos, sketch = list(rows.where(domain="photo"))[:8], next(iter(rows.where(domain="sketch")))
    for number, row in enumerate(photos):
        Image.fromarray(read(row.source)).save(tmp_path / "photos" / f"{number}.png")
    Image.fromarray(read(sketch.source)).save(tmp_path / "sketch.png")
    drawn = [row.instance for row in photos].index(sketch.instance)
    return f"{drawn}.png"


def test_the_front_door_runs_as_printed(desk):
    model = cdim.load("default")
    photos = model.encode("photos/")
    alike = model.similarity(model.encode("sketch.png"), photos)
    drawn = desk
    assert alike.shape == (1, len(photos)) == (1, 8)
    assert photos.names[int(alike[0].argmax())] == drawn
    with cdim.Gallery.open("gallery", model="default", create=True) as gallery:
        summary = gallery.index("photos/")
        assert repr(summary) == "<Summary: 8 items; 8 added; 8 embedded>"
        assert gallery.vectors(photos.names) == pytest.approx(photos.vectors, abs=1e-6)
        result = gallery.search("sketch.png", k=5)
        assert len(result) == 5
        assert result[0].id == drawn
        assert all(0 <= hit.probability <= 1 for hit in result)
        assert not result.absent
        cosines = {name: float(alike[0, i]) for i, name in enumerate(photos.names)}
        for hit in result:
            assert hit.distance == pytest.approx((2 - 2 * cosines[hit.id]) ** 0.5, abs=1e-3)
        assert gallery.search(cdim.Like(drawn), k=8)[0].id != drawn
    assert "acc@1 %" in str(cdim.evaluate("default", "synthetic:20:1"))
    mine = cdim.adapt("default", "synthetic:30:2", "mine")
    assert cdim.load(mine).encode("sketch.png").vectors.shape == (1, mine.dim)
    assert cdim.load("mine").bundle == mine


def test_cosines_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 5)), rng.normal(size=(4, 5))
    found = cdim.Encoder.similarity(a, b)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            assert found[i, j] == pytest.approx(x @ y / (np.sqrt(x @ x) * np.sqrt(y @ y)), abs=1e-6)
    assert cdim.Encoder.similarity(a[0], np.zeros((2, 5))).tolist() == [[0, 0]]


def test_models_and_datasets_are_listed_as_a_table():
    assert [model.name for model in cdim.list_models()] == ["default", "people"]
    lines = str(cdim.list_datasets()).splitlines()
    assert len(lines) == len(cdim.list_datasets())
    assert lines[0].startswith("qmul-shoe ")


def test_a_wrong_call_names_the_right_one():
    with pytest.raises(cdim.UsageError, match=r"wher.*search"):
        cdim.Gallery.search(None, "a.png", wher="price=3")
    with pytest.raises(cdim.UsageError, match=r"rernk.*rerank"):
        cdim.evaluate("default", "synthetic:20:1", rernk=True)
    with pytest.raises(cdim.UsageError, match=r"k = '3'.*a whole number"):
        cdim.Gallery.search(None, "a.png", k="3")


class Anything:
    """What is of no use anywhere."""


# Without slashes and dots: indexing the folder above, or the disk, is right but takes its time.
TEXT = st.text(st.characters(blacklist_characters="/.", blacklist_categories=()), max_size=8)
PLAIN = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    *(st.binary(max_size=8), st.complex_numbers()),
)
ODD = [
    *("", "\0", "a" * 5000, "\udce9.png", "<svg", "a.svg", "a.json", ".", Path("nowhere"), Path()),
    *(b"", b"<", b"\x89PNG\r\n\x1a\n", bytearray(b"x"), Anything(), Anything, len, ..., 10**400),
    *(range(3), {1, 2}, iter([1]), [[]], [[[]]], [[[1]]], [[[1, 2]]], [None], {"strokes": 3}),
    *({"strokes": [[[0, 1e300]]]}, {"drawing": [[[0], []]]}, cdim.Like(""), cdim.Like(3)),
    *(cdim.Like("nobody"), [cdim.Like("red"), 3], ["a=b", 3], [float("nan")], [10**400]),
    *(
        np.zeros(3),
        np.zeros((2, 2), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.float32(1),
        np.int64(2),
    ),
    *(
        np.array(["a"]),
        np.array([None]),
        np.zeros((2, 2, 4), np.uint8),
        np.ma.masked,
        np.datetime64("2024-01-01"),
    ),
    *(
        Image.new("F", (2, 2)),
        Image.new("RGB", (0, 0)),
        Image.new("P", (3, 3)),
        Image.new("1", (1, 9)),
    ),
]
VALUES = st.one_of(
    st.sampled_from(ODD),
    st.recursive(
        PLAIN,
        lambda inner: st.one_of(
            *(st.lists(inner, max_size=3), st.dictionaries(PLAIN, inner, max_size=2)),
            st.tuples(inner, inner),
        ),
        max_leaves=4,
    ),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("front-door")
    bundle = mean_colours(folder / "colours")
    with cdim.Gallery.open(folder / "gallery", bundle, create=True) as gallery:
        gallery.add(np.full((4, 4, 3), (250, 0, 0), np.uint8), ["red"])
        yield folder, cdim.Encoder(bundle, "onnxruntime"), gallery


RED = np.full((4, 4, 3), (250, 0, 0), np.uint8)


def calls(encoder, gallery):
    """Every public call with one argument left open, by name."""
    found = {
        "load": cdim.load,
        "open_dataset": cdim.open_dataset,
        "Encoder": cdim.Encoder,
        "Manifest.from_csv": cdim.Manifest.from_csv,
        "Report.load": cdim.Report.load,
        "Gallery.open": cdim.Gallery.open,
        "encode": encoder.encode,
        "encode_query": encoder.encode_query,
        "similarity": partial(encoder.similarity, np.zeros((1, 3))),
        "index": gallery.index,
        "add": gallery.add,
        "search": gallery.search,
        "get": gallery.get,
        "remove": gallery.remove,
        "vectors": gallery.vectors,
        "count": gallery.count,
        "facets": gallery.facets,
        "items": gallery.items,
        "export": gallery.export,
        "update": gallery.update,
        "evaluate": partial(cdim.evaluate, dataset="nowhere"),
        "compare": partial(cdim.compare, b="nowhere", dataset="nowhere"),
        "adapt": partial(cdim.adapt, pairs="nowhere", out="out"),
        "train": cdim.train,
        "export a run": partial(cdim.export, out="out"),
    }
    rest = {
        cdim.load: {"model": "nowhere", "device": ..., "how": ...},
        cdim.open_dataset: {"name_or_path": "qmul-shoe", "data": ...},
        cdim.Encoder: {"bundle": "default", "engine": ...},
        cdim.Gallery.open: {"place": "nowhere", "model": ..., "create": ...},
        encoder.encode: {"source": RED, "domain": ..., "output": ..., "progress": ...},
        gallery.index: {
            "source": "nowhere",
            "metadata": ...,
            "domain": ...,
            "prefix": ...,
            "data": ...,
            "keep": ...,
            "progress": ...,
        },
        gallery.add: {"images": RED, "ids": ..., "metadata": ..., "domain": ...},
        gallery.update: {"item_id": "red", "image": ..., "metadata": ...},
        gallery.search: {
            "query": RED,
            "k": ...,
            "where": ...,
            "domain": ...,
            "weights": ...,
            "rerank": ...,
            "expand": ...,
            "false_match_rate": ...,
        },
        gallery.facets: {"where": ..., "limit": ...},
        gallery.items: {"where": ..., "limit": ..., "after": ...},
        cdim.evaluate: {
            "model": encoder,
            "dataset": ...,
            "data": ...,
            "split": ...,
            "device": ...,
            "progress": ...,
            "protocol": ...,
            "expand": ...,
            "join": ...,
            "multi_query": ...,
        },
        cdim.adapt: {
            "model": "default",
            "pairs": ...,
            "out": ...,
            "dim": ...,
            "most": ...,
            "seed": ...,
            "tests": ...,
            "data": ...,
        },
        cdim.train: {
            "recipe": "nowhere",
            "seed": ...,
            "out": ...,
            "overrides": ...,
            "data": ...,
            "device": ...,
            "resume": ...,
        },
        cdim.export: {
            "run": "nowhere",
            "out": ...,
            "folds": ...,
            "dim": ...,
            "head": ...,
            "precision": ...,
            "tests": ...,
            "data": ...,
        },
    }
    needed = {
        cdim.evaluate: {"dataset": "nowhere"},
        cdim.adapt: {"pairs": "nowhere", "out": "out"},
        cdim.export: {"out": "out"},
    }
    for function, arguments in rest.items():
        fixed = {name: value for name, value in arguments.items() if value is not ...}
        fixed |= needed.get(function, {})
        for name in arguments:
            if name in fixed and name not in needed.get(function, {}):
                continue
            others = {key: value for key, value in fixed.items() if key != name}
            label = f"{function.__qualname__}({name})"
            found[label] = lambda value, f=function, n=name, o=others: f(**o, **{n: value})
    return found


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=VALUES)
def test_wrong_input_of_any_kind_is_an_error_of_cdim(world, value, monkeypatch):
    folder, encoder, gallery = world
    monkeypatch.chdir(folder)
    for name, call in calls(encoder, gallery).items():
        if callable(value) and name.endswith("(progress)"):
            continue  # its errors are its own
        refusal = refused(name, call, value)
        assert refusal is None or all((refusal.given, refusal.allowed, refusal.todo)), name


def refused(name, call, value):
    """The refusal of a call, or None; any other error carries the call's name."""
    try:
        call(value)
    except cdim.CdimError as error:
        return error
    except Exception as error:
        error.add_note(f"{name} with {value!r:.200}")
        raise
    return None


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: cdim.evaluate(m, "synthetic:20:1", join=("conv2",)), "joined map conv2"),
        (lambda m: cdim.evaluate(m, "synthetic:20:1", device="cuda"), "device cuda"),
        (lambda m: cdim.evaluate(m, "synthetic:20:1", device="nonsense"), "device = 'nonsense'"),
        (lambda m: cdim.evaluate(m, "synthetic:20:1", join_pool="nonsense"), "join_pool"),
        (lambda m: cdim.evaluate(m, "synthetic:20:1", join_l2=True), "no map to join"),
        (lambda m: cdim.evaluate(m, "synthetic:20:1", expand=-1), "expand"),
        (lambda m: cdim.evaluate(cdim.Encoder, "synthetic:20:1"), "model"),
        (lambda m: cdim.load(m, device="cuda"), "device cuda"),
        (lambda m: cdim.adapt(m, "synthetic:60:1", "out", seed=-1), "seed -1"),
        (lambda m: cdim.list_models(3), "list_models"),
        (lambda m: cdim.Manifest.concat(3), "parts = 3"),
        (lambda m: m.embed(3), "manifest = 3"),
        (lambda m: m.encode_pixels([3], "photo"), "pixels"),
        (lambda m: m.encode_query(), "encode_query"),
    ],
)
def test_what_cannot_be_is_refused_and_never_ignored(call, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = cdim.load(mean_colours(tmp_path / "colours").folder)
    with pytest.raises(cdim.CdimError, match=said):
        call(model)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("many", [0, -1, 10**30])
def test_numbers_out_of_range_are_not_called_a_corrupted_gallery(many, desk):
    model = mean_colours(Path("colours").absolute()).folder
    with cdim.Gallery.open("gallery", model=model, create=True) as gallery:
        gallery.index("photos")
        calls = (
            lambda: gallery.search("sketch.png", k=many),
            lambda: gallery.items(limit=many),
            lambda: gallery.facets(limit=many),
        )
        for call in calls:
            with pytest.raises(cdim.UsageError, match="1 to 1,000,000"):
                call()


def test_a_dataset_that_is_open_is_judged_and_everything_prints_in_a_line():
    opened = cdim.open_dataset("synthetic:20:1")
    assert (
        repr(opened)
        == "<Dataset 'synthetic:20:1': <Manifest of 40 images: photo and sketch, 20 instances>>"
    )
    assert cdim.evaluate("default", opened).queries == 6
    assert repr(EvalOptions(rerank=True)) == "EvalOptions(rerank=True)"


def test_numbers_of_numpy_arrive_as_pythons():
    @strict.checked
    def call(n: int, share: float | None = None, *, flag: bool = True) -> tuple:
        return type(n), type(share), type(flag)

    assert call(np.int64(3), share=np.float32(0.5)) == (int, float, bool)
    assert call(3) == (int, type(None), bool)
