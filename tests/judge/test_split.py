"""What of a dataset is judged, and by which protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cdim.data.manifest import Manifest
from cdim.data.sets.catalogue import Dataset
from cdim.errors import DataError, UsageError
from cdim.judge.held_out import paired
from cdim.judge.options import PLAIN, EvalOptions
from cdim.judge.split import EvalSplit, open_test, open_tests

ALONE = EvalOptions(protocol="leave-one-out")


def opened(how: EvalOptions = PLAIN, **columns: Any) -> EvalSplit:
    manifest = Manifest.build([f"{i}.jpg" for i in range(4)], [1, 1, 2, 2], **columns)
    return open_test(Dataset("mine", manifest), how=how)


def test_a_set_without_splits_is_judged_as_a_whole() -> None:
    test = opened(role=["query", "gallery"] * 2)
    assert (len(test.query), len(test.gallery), test.protocol) == (2, 2, "instance")
    assert test.split == ""
    assert opened(role=["query", "gallery"] * 2, split="test").split == "test"


def test_a_set_without_splits_does_not_test_what_learned_from_it(tmp_path: Path) -> None:
    rows = "a.jpg,1,query\nb.jpg,1,gallery\n"
    (tmp_path / "a.csv").write_text(f"source,instance,role\n{rows}")
    name = str(tmp_path / "a.csv")
    assert list(open_tests([name], ["b.csv"], None)) == [name]
    with pytest.raises(UsageError, match="learned from") as error:
        open_tests([name], [name], None)
    assert error.value.argument == "tests"


def test_images_that_are_query_and_gallery_search_the_others() -> None:
    for test in (opened(role="both"), opened(ALONE), opened(ALONE, role=["", "", "", "junk"])):
        assert test.protocol == "leave-one-out"
        assert len(test.gallery) == 4
        assert test.query.source == test.gallery.where(role="both").source
    assert opened(role="both", camera=[1, 2, 1, 2]).protocol == "cross-camera"


def test_what_cannot_be_judged_says_what_can() -> None:
    with pytest.raises(DataError, match="protocol leave-one-out") as error:
        opened()
    assert error.value.argument == "protocol"
    with pytest.raises(DataError, match="no image of split 'test'; its splits are train, val"):
        opened(split=["train", "train", "val", "val"])
    with pytest.raises(DataError, match="once its own image is ignored"):
        opened(ALONE, role=["both", "junk", "both", "junk"])


def test_pairs_have_two_sides() -> None:
    manifest = Manifest.build(list("abcd"), [1, 1, 2, 2], role=["both", "gallery"] * 2)
    with pytest.raises(UsageError, match="2 images are query and gallery at once"):
        paired(manifest, None, 0)
