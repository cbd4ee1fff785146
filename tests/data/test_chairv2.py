from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdim.data import images
from cdim.data.sets import chairv2
from cdim.data.sets.catalogue import open_dataset
from cdim.errors import DataError


def test_as_released(data_root: Path) -> None:
    manifest = open_dataset("chairv2", data_root).manifest
    for split, sketches, photos in (("train", 952, 300), ("test", 323, 100)):
        drawn = manifest.where(split=split, domain="sketch", role="query")
        shown = manifest.where(split=split, domain="photo", role="gallery")
        assert (len(drawn), len(shown)) == (sketches, photos)
        assert set(drawn.instance) == set(shown.instance)
    sketch = images.read(manifest.source[0], manifest.root)
    assert sketch.shape == (256, 256)
    assert 0.005 < (sketch < 128).mean() < 0.1
    photo = manifest.where(domain="photo")
    assert images.read(photo.source[0], photo.root).ndim == 3


def test_ink_grows_with_the_drawing(data_root: Path) -> None:
    manifest = chairv2.manifest(data_root)
    source, root = manifest.source[7], manifest.root
    ink = [(images.read(f"{source}{tail}", root) < 255).sum() for tail in ("@0.1", "@0.5", "")]
    assert ink == sorted(set(ink))
    with pytest.raises(DataError, match="share"):
        images.read(f"{source}@0", root)


def packed(root: Path, keys: list[str], photos: list[str]) -> None:
    strokes, png = io.BytesIO(), io.BytesIO()
    points = np.ones((len(keys), 3), np.float32)
    np.savez(strokes, keys=np.array(keys), offsets=np.arange(len(keys) + 1), points=points)
    Image.new("RGB", (8, 8)).save(png, "PNG")
    with zipfile.ZipFile(root / "ChairV2.zip", "w") as archive:
        archive.writestr("ChairV2/ChairV2_Coordinate", b"cos\nsystem\n(S'exit'\ntR.")
        archive.writestr("ChairV2/chairv2_strokes.npz", strokes.getvalue())
        for photo in photos:
            archive.writestr(f"ChairV2/photo/{photo}.png", png.getvalue())


def test_names(tmp_path: Path) -> None:
    packed(tmp_path, ["/train/a_b_1", "/train/a_b_2", "/test/c_X9"], ["a_b", "c"])
    manifest = chairv2.manifest(tmp_path)
    train, test = "chairv2/train/a_b", "chairv2/test/c"
    assert manifest.instance.tolist() == [train, train, test, train, test]
    assert manifest.metadata["drawing"].tolist() == ["1", "2", "X9", "", ""]
    assert manifest.source[0] == "ChairV2.zip!ChairV2/chairv2_strokes.npz#/train/a_b_1"


@pytest.mark.parametrize(
    ("keys", "photos", "words"),
    [
        (["/train/a_1"], [], "no sketch for 'a'"),
        (["/train/a_1"], ["a", "b"], "no sketch for 'b'"),
        (["/val/a_1"], ["a"], "/val/a_1"),
        (["a_1"], ["a"], "a_1"),
    ],
)
def test_wrong_releases(tmp_path: Path, keys: list[str], photos: list[str], words: str) -> None:
    packed(tmp_path, keys, photos)
    with pytest.raises(DataError, match=words):
        chairv2.manifest(tmp_path)
