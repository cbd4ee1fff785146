"""The one table: what it accepts, what it refuses, and that nothing changes it afterwards."""

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdim.data.manifest import COLUMNS, Manifest
from cdim.errors import DataError

words = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=8)


def same(a: Manifest, b: Manifest) -> bool:
    columns = all(getattr(a, k).tolist() == getattr(b, k).tolist() for k in COLUMNS[1:])
    metadata = {k: v.tolist() for k, v in a.metadata.items()} == {
        k: v.tolist() for k, v in b.metadata.items()
    }
    return list(a.source) == list(b.source) and columns and metadata


def made(n: int = 4, **columns: Any) -> Manifest:
    given = {"instance": [i // 2 for i in range(n)], "domain": ["sketch", "photo"] * (n // 2)}
    return Manifest.build([f"{i}.png" for i in range(n)], **{**given, **columns})


@given(st.lists(st.tuples(words, words, words, st.integers(-1, 99)), min_size=1, max_size=6))
def test_csv_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("csv")
    one = Manifest.build(
        [f"{i}.png" for i in range(len(rows))],
        [row[0] for row in rows],
        domain=[row[1] for row in rows],
        metadata={"note": [row[2] for row in rows]},
        camera=[row[3] for row in rows],
        split="test",
        role="query",
        root=folder,
    )
    one.to_csv(folder / "m.csv")
    assert same(Manifest.from_csv(folder / "m.csv"), one)


def test_frame_round_trip_and_missing_values() -> None:
    one = made(metadata={"colour": ["red", "", "blue", ""]}, camera=[1, -1, 2, -1])
    assert same(Manifest.from_frame(one.to_frame()), one)
    holes = pd.DataFrame({"path": ["a", "b"], "label": [1, 2], "camera": [3, None]})
    assert Manifest.from_frame(holes).camera.tolist() == [3, -1]


def test_nothing_changes_it() -> None:
    one = made(metadata={"colour": ["red"] * 4})
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.split = one.role  # type: ignore[misc]
    for column in (one.instance, one.camera, one.metadata["colour"]):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = column[1]
    with pytest.raises(TypeError):
        one.metadata["colour"] = one.domain  # type: ignore[index]


def test_rows_by_value_mask_and_index() -> None:
    one = made(6, category="shoe", metadata={"colour": list("abcabc")})
    assert one.where(domain="photo", colour=("b", "c")).source == ("1.png", "5.png")
    assert one.take([3, 0]).source == ("3.png", "0.png")
    assert one.take(one.instance == "1").source == ("2.png", "3.png")
    assert len(one.take([])) == 0
    assert one[2].source == "2.png"
    assert one[2].metadata == {"colour": "c"}
    with pytest.raises(DataError, match="did you mean 'colour'"):
        one.where(color="a")


def test_joined_sets_keep_their_places(tmp_path: Path) -> None:
    one, two = made(2, root=tmp_path / "a"), made(2, root=tmp_path / "b", metadata={"x": [1, 2]})
    both = Manifest.concat([one, two])
    assert both.source == tuple(str(tmp_path / d / f"{i}.png") for d in "ab" for i in (0, 1))
    assert both.metadata["x"].tolist() == ["", "", "1", "2"]


def test_pixels_in_memory_are_a_source_that_no_csv_can_hold(tmp_path: Path) -> None:
    pixels = np.zeros((4, 5, 3), np.uint8)
    one = Manifest.build([pixels, pixels[..., 0]], [1, 2])
    assert one[0].source is pixels
    with pytest.raises(DataError, match="pixels in memory"):
        one.to_csv(tmp_path / "m.csv")
    assert not (tmp_path / "m.csv").exists()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"split": "tset"}, "did you mean 'test'"),
        ({"role": "querry"}, "did you mean 'query'"),
        ({"instance": ["1", "", "2", "2"]}, "no instance in row 1"),
        ({"domain": ["photo"] * 3}, "3 values for 4 images"),
        ({"camera": [1, 2, 3, "left"]}, "'left' in row 3"),
        ({"camera": [1, 2, 3, 1.5]}, "whole number"),
        ({"metadata": {"split": ["a"] * 4}}, "may not reuse"),
    ],
)
def test_what_it_refuses(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        made(**columns)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (["a", "a"], "row 0 and row 1"),
        (["a", ""], "no source in row 1"),
        ([np.zeros((2, 2)), "a"], "float64"),
        ([np.zeros((2, 2, 4), np.uint8), "a"], r"\(2, 2, 4\)"),
        ([np.zeros((0, 2), np.uint8), "a"], "uint8"),
    ],
)
def test_sources_it_refuses(source: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Manifest.build(source, [1, 2])


def test_other_libraries_columns(tmp_path: Path) -> None:
    oml = (
        "label,path,split,is_query,is_gallery\n"
        "1,a.png,validation,True,False\n1,b.png,validation,False,True\n2,c.png,train,,\n"
        "3,d.png,validation,1,1"
    )
    (tmp_path / "oml.csv").write_text(oml, "utf-8")
    one = Manifest.from_csv(tmp_path / "oml.csv")
    assert one.split.tolist() == ["test", "test", "train", "test"]
    assert one.role.tolist() == ["query", "gallery", "", "both"]
    assert one.instance.tolist() == ["1", "1", "2", "3"]
    wildlife = "image_id,identity,path,date\n7,lynx,x.jpg,2020"
    (tmp_path / "wildlife.csv").write_text(wildlife, "utf-8")
    two = Manifest.from_csv(tmp_path / "wildlife.csv")
    assert two.instance.tolist() == ["lynx"]
    assert two.metadata["date"].tolist() == ["2020"]


def test_equal_rows_count_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    rows = f"a.png,1\n./a.png,1\n{tmp_path}/a.png,1\nb.png,2\nb.png,2\n"
    (tmp_path / "m.csv").write_text("source,instance\n" + rows)
    assert Manifest.from_csv(tmp_path / "m.csv").source == ("a.png", "b.png")


def test_boxes_are_a_part_of_the_source(tmp_path: Path) -> None:
    oml = "path,label,x_1,y_1,x_2,y_2\na.png,1,0,0,20,10\na.png,2,20.4,-3,40,10\nb.png,3,,,,\n"
    (tmp_path / "oml.csv").write_text(oml)
    one = Manifest.from_csv(tmp_path / "oml.csv")
    assert one.source == ("a.png#xywh=0,0,20,10", "a.png#xywh=20,0,20,10", "b.png")
    assert not one.metadata
    boxes = ["[2, 3, 4.0, 5]", [2.0, 3, 4, 5], np.array([2, 3, 4, 5]), None]
    frame = pd.DataFrame({"path": list("abcd"), "identity": [1, 2, 3, 4], "bbox": boxes})
    two = Manifest.from_frame(frame)
    assert two.source == (*(f"{name}#xywh=2,3,4,5" for name in "abc"), "d")
    pixels = pd.DataFrame({"path": [np.zeros((4, 4), np.uint8)], "label": [1], "bbox": ["1 1 2 2"]})
    with pytest.raises(DataError, match="row 0 of the DataFrame has pixels and a box"):
        Manifest.from_frame(pixels)


@pytest.mark.parametrize(
    "columns",
    [
        *("x1,y1,x2,y2", "XMin,YMin,XMax,YMax", "bbox_x1,bbox_y1,bbox_x2,bbox_y2"),
        *("bbox_x,bbox_y,bbox_w,bbox_h", "bbox_x,bbox_y,bbox_width,bbox_height"),
    ],
)
def test_boxes_have_other_columns_too(tmp_path: Path, columns: str) -> None:
    box = "2,3,4,5" if "h" in columns.split(",")[-1] else "2,3,6,8"
    (tmp_path / "m.csv").write_text(f"source,instance,{columns}\na.png,1,{box}\nb.png,1,,,,\n")
    made = Manifest.from_csv(tmp_path / "m.csv")
    assert made.source == ("a.png#xywh=2,3,4,5", "b.png")
    assert not made.metadata


def test_an_unknown_animal_is_junk(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("path,identity\na,lynx\nb,unknown\n")
    (tmp_path / "o.csv").write_text("path,instance\na,lynx\nb,unknown\n")
    assert Manifest.from_csv(tmp_path / "w.csv").role.tolist() == ["", "junk"]
    assert Manifest.from_csv(tmp_path / "o.csv").role.tolist() == ["", ""]


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: Any, **_more: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left"):
        made().to_csv(tmp_path / "m.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("source,instance,split\n\na.png,1,train\nb.png,2,tset", "split 'tset' in line 4 of"),
        ('source,instance,camera\na.png,"1\n",1\nb.png,2,x', "camera 'x' in line 4 of"),
        ("source,instance\na.png,1\na.png,1\nb.png,", "no instance in line 4 of"),
        ("source,instance\na.png,1\n./a.png,2", "line 2 of .* and line 3 of .* differ"),
        ("source,instance,x_1\na.png,1,1", "has the columns x_1"),
        ("source,instance,x,y,w,h\na.png,1,1,1,9,9", "the columns x, y, w, h; a box is x_1"),
        ("source,instance,bbox\n\na.png,1,'0 0 1'", "line 3 of .* has the box"),
        ("source,instance,bbox\na.png,1,3 3 0 9", "line 2 of .* has the box"),
        ("source,instance,bbox\na.png,1,.1 .1 .2 .2", "in pixels"),
        ("path,label,is_query\na.png,1,perhaps", "'perhaps'"),
        ("source,instance,instance\na.png,1,2", "two columns for 'instance'"),
        ("source,instance,camera\na.png,1,1e30", "1e30"),
        ('source,instance\n"a.png,1' + "x" * 200_000, "quotes"),
    ],
)
def test_what_a_csv_may_not_say(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(lines, "utf-8")
    with pytest.raises(DataError, match=message):
        Manifest.from_csv(tmp_path / "m.csv")


def test_validation_is_oml_s_word_for_test_and_others_word_for_val(tmp_path: Path) -> None:
    (tmp_path / "oml.csv").write_text("path,label,is_query,split\na.png,1,True,validation", "utf-8")
    (tmp_path / "own.csv").write_text("source,instance,split\na.png,1,validation", "utf-8")
    assert Manifest.from_csv(tmp_path / "oml.csv").split.tolist() == ["test"]
    assert Manifest.from_csv(tmp_path / "own.csv").split.tolist() == ["val"]
