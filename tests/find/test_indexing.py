from __future__ import annotations

import io
import json
import os
import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from tests.find.conftest import plain, save

from cdim.data import content
from cdim.data.sets.catalogue import open_dataset
from cdim.errors import DataError, GalleryError, ModelError, UsageError
from cdim.find.gallery import Gallery
from cdim.find.index.indexing import index
from cdim.find.index.sources import Source
from cdim.find.items import Item

RED, GREEN, BLUE = (250, 0, 0), (0, 250, 0), (0, 0, 250)


@pytest.fixture
def folder(tmp_path):
    save(tmp_path / "photos" / "red.png", RED)
    save(tmp_path / "photos" / "in side" / "green.PNG", GREEN)
    save(tmp_path / "photos" / "in side" / "deep" / "blue.jpg", BLUE)
    save(tmp_path / "photos" / ".hidden" / "no.png", BLUE)
    save(tmp_path / "photos" / "._red.png", BLUE)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


NAMES = {"red.png", "in side/green.PNG", "in side/deep/blue.jpg"}


def run(
    gallery,
    source,
    *,
    domain=None,
    table=None,
    prefix="",
    data=None,
    exclude=(),
    layout=None,
    on_put=None,
    **options,
):
    wanted = Source(str(source), table, domain, prefix, data, exclude, layout)
    put = gallery.put

    def told(items, vectors):
        put(items, vectors)
        if on_put is not None:
            on_put([item.id for item in items])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "put", told)
        return index(gallery, wanted.listed(gallery.bundle), **options)


def told(summary):
    """What happened, without zeros, the files beside the images, and that these have one colour."""
    passed = ("items", "left_out", "blank")
    return {k: v for k, v in summary.to_json().items() if v and k not in passed}


def test_an_image_that_shows_nothing_is_named(gallery, tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "dark.png")
    Image.fromarray(np.eye(4, dtype=np.uint8)).save(tmp_path / "drawn.png")
    summary = run(gallery, tmp_path)
    assert (summary.added, summary.blank) == (2, ["dark.png"])
    assert run(gallery, tmp_path).blank == []


def names(gallery):
    return {item.id for item in gallery.items(limit=1000)[0]}


def test_a_large_photo_is_known_by_its_own_size(gallery, tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (2100, 2400)).save(tmp_path / "large.jpg", exif=turned)
    run(gallery, tmp_path)
    item = gallery.get("large.jpg")
    assert (item.metadata["width"], item.metadata["height"]) == (2400, 2100)


def test_a_folder_becomes_a_gallery(gallery, folder):
    calls, safe = [], []
    summary = run(gallery, folder, progress=lambda *a: calls.append(a), on_put=safe.extend)
    assert told(summary) == {"added": 3, "embedded": 3}
    assert names(gallery) == NAMES == set(safe)
    assert ("images", 3, 3) in calls
    assert calls[-1][1:] == (1, 1)
    assert summary.items == 3
    item = gallery.get("in side/deep/blue.jpg")
    assert item.metadata.keys() == {"folder", "date", "width", "height"}
    assert (item.metadata["folder"], item.metadata["width"]) == ("in side/deep", 8)
    assert (item.source, item.domain) == (str(folder / item.id), "photo")
    assert gallery.vectors(["red.png"]).tolist() == [[250, 0, 0]]
    assert "folder" not in gallery.get("red.png").metadata


def test_twice_adds_nothing_and_embeds_nothing(gallery, folder, encoder, monkeypatch):
    run(gallery, folder)
    monkeypatch.setattr(content, "read", lambda *a: pytest.fail("was read again"))
    assert told(run(gallery, folder)) == {"unchanged": 3}
    assert encoder.seen == 3


def test_a_touched_file_is_read_but_not_embedded(gallery, folder, encoder):
    run(gallery, folder)
    day = gallery.get("red.png").metadata["date"]
    os.utime(folder / "red.png", (1e9, 1e9))
    assert told(run(gallery, folder)) == {"unchanged": 2, "updated": 1}
    assert gallery.get("red.png").metadata["date"] == "2001-09-09" != day
    assert told(run(gallery, folder)) == {"unchanged": 3}
    assert encoder.seen == 3


def test_a_changed_file_replaces_its_old_self(gallery, folder, encoder):
    run(gallery, folder)
    save(folder / "red.png", (200, 10, 10))
    summary = told(run(gallery, folder))
    assert summary == {"replaced": 1, "unchanged": 2, "embedded": 1}
    assert gallery.vectors(["red.png"]).tolist() == [[200, 10, 10]]
    assert gallery.count() == 3


def test_a_moved_file_keeps_its_vector(gallery, folder, encoder):
    run(gallery, folder)
    (folder / "new").mkdir()
    (folder / "red.png").rename(folder / "new" / "name.png")
    assert told(run(gallery, folder)) == {"moved": 1, "unchanged": 2, "reused": 1}
    assert encoder.seen == 3
    assert names(gallery) == NAMES - {"red.png"} | {"new/name.png"}
    assert gallery.vectors(["new/name.png"]).tolist() == [[250, 0, 0]]
    assert gallery.get("new/name.png").metadata["folder"] == "new"


def test_swapped_files_swap_their_vectors(gallery, folder, encoder):
    save(folder / "other.png", (1, 2, 3))
    run(gallery, folder)
    (folder / "red.png").rename(folder / "x")
    (folder / "other.png").rename(folder / "red.png")
    (folder / "x").rename(folder / "other.png")
    summary = run(gallery, folder)
    assert summary.replaced == 2
    assert gallery.vectors(["red.png", "other.png"]).tolist() == [[1, 2, 3], [250, 0, 0]]


def test_equal_content_is_two_items_and_one_embedding(gallery, folder, encoder):
    shutil.copy(folder / "red.png", folder / "copy.png")
    assert told(run(gallery, folder)) == {"added": 4, "embedded": 3, "reused": 1}
    shutil.copy(folder / "red.png", folder / "again.png")
    assert run(gallery, folder).reused == 1
    assert encoder.seen == 3
    assert gallery.vectors(["copy.png", "again.png"]).tolist() == [[250, 0, 0]] * 2


def test_what_is_gone_is_removed_unless_kept(gallery, folder):
    run(gallery, folder)
    (folder / "red.png").unlink()
    assert told(run(gallery, folder, keep=True)) == {"unchanged": 2}
    assert gallery.count() == 3
    assert told(run(gallery, folder)) == {"unchanged": 2, "removed": 1}
    assert names(gallery) == NAMES - {"red.png"}


def test_an_empty_or_vanished_folder_removes_nothing(gallery, folder):
    run(gallery, folder)
    shutil.rmtree(folder)
    with pytest.raises(DataError, match="there is no"):
        run(gallery, folder)
    folder.mkdir()
    with pytest.raises(DataError, match="nothing was removed"):
        run(gallery, folder)
    assert gallery.count() == 3


def test_a_folder_that_cannot_be_listed_loses_nothing(gallery, folder, monkeypatch):
    run(gallery, folder)
    scan = os.scandir

    def closed(path):
        if str(path).endswith("in side"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    summary = run(gallery, folder)
    assert summary.unreadable == {"in side/": "closed folder"}
    assert summary.removed == 0
    assert names(gallery) == NAMES


def test_unreadable_files_are_named_and_do_not_stop(gallery, folder):
    whole = (folder / "red.png").read_bytes()
    (folder / "half.png").write_bytes(whole[:40])
    (folder / "empty.jpg").touch()
    (folder / "text.png").write_text("no image")
    (folder / "lost.png").symlink_to(folder / "nowhere.png")
    os.mkfifo(folder / "pipe.png")
    summary = run(gallery, folder)
    assert summary.added == 3
    bad = {"half.png", "empty.jpg", "text.png", "lost.png", "pipe.png"}
    assert summary.unreadable.keys() == bad
    assert summary.unreadable.pop("lost.png") == "broken link"
    assert summary.unreadable.pop("pipe.png") == "pipe, socket or device"
    assert all(name in why for name, why in summary.unreadable.items())
    assert json.loads(json.dumps(summary.to_json()))["unreadable"][0].keys() == {"name", "why"}
    again = run(gallery, folder)
    assert (again.unchanged, again.unreadable.keys()) == (3, bad)


def test_a_file_that_broke_keeps_its_item(gallery, folder):
    run(gallery, folder)
    (folder / "red.png").write_bytes(b"broken")
    summary = run(gallery, folder)
    assert summary.unreadable.keys() == {"red.png"}
    assert gallery.vectors(["red.png"]).tolist() == [[250, 0, 0]]


def test_odd_names_and_links(gallery, folder):
    odd = [
        "a 'b' \"c\".png",
        "ü/日本.png",
        "new\nline.png",
        "-x.png",
        "%2e.png",
        "x" * 240 + ".png",
    ]
    for name in odd:
        save(folder / name, RED)
    save(folder / "a.mat#3.png", GREEN)
    save(folder / "b.zip!c.png", GREEN)
    (folder / "link.png").symlink_to(folder / "red.png")
    (folder / "loop").symlink_to(folder)
    raw = os.fsencode(str(folder)) + b"/caf\xe9.png"
    shutil.copy(os.fsencode(str(folder / "red.png")), raw)
    summary = run(gallery, folder)
    assert names(gallery) == NAMES | set(odd) | {"a.mat#3.png", "b.zip!c.png", "link.png"}
    assert summary.unreadable == {
        "loop/": "link to a folder",
        "caf\\udce9.png": "name that is not UTF-8",
    }
    assert gallery.vectors(["a.mat#3.png"]).tolist() == [[0, 250, 0]]
    assert run(gallery, folder).unchanged == gallery.count()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_dates_come_from_the_camera_and_damaged_ones_do_no_harm(gallery, folder):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2019:05:17 10:20:30"
    save(folder / "taken.jpg", RED, exif=exif)
    exif.get_ifd(0x8769)[0x9003] = "yesterday"
    save(folder / "odd.jpg", GREEN, exif=exif)
    data = bytearray((folder / "taken.jpg").read_bytes())
    at = data.index(b"Exif") + 14
    data[at : at + 8] = b"\xff" * 8
    (folder / "damaged.jpg").write_bytes(data)
    os.utime(folder / "odd.jpg", (1e9, 1e9))
    summary = run(gallery, folder)
    assert gallery.get("taken.jpg").metadata["date"] == "2019-05-17"
    assert gallery.get("odd.jpg").metadata["date"] == "2001-09-09"
    assert "damaged.jpg" in names(gallery) or "damaged.jpg" in summary.unreadable
    assert gallery.count({"date": {"lte": "2019-05-17"}}) >= 2


def test_another_domain_embeds_again(gallery, folder, encoder):
    run(gallery, folder)
    assert told(run(gallery, folder, domain="sketch")) == {"replaced": 3, "embedded": 3}
    assert gallery.get("red.png").domain == "sketch"
    with pytest.raises(ModelError, match="domain"):
        run(gallery, folder, domain="smell")
    assert gallery.count() == 3


def test_two_folders_in_one_gallery(gallery, folder, tmp_path):
    run(gallery, folder)
    save(tmp_path / "second" / "red.png", BLUE)
    save(tmp_path / "second" / "own.png", BLUE)
    with pytest.raises(GalleryError, match="prefix") as error:
        run(gallery, tmp_path / "second")
    assert str(folder) in str(error.value)
    assert str(tmp_path / "second") in str(error.value)
    assert gallery.count() == 3
    assert run(gallery, tmp_path / "second", prefix="2/").added == 2
    assert names(gallery) == NAMES | {"2/red.png", "2/own.png"}
    assert told(run(gallery, folder)) == {"unchanged": 3}


def test_an_item_added_by_itself_is_not_overwritten_or_removed(gallery, folder):
    gallery.add([plain(GREEN)], ["red.png"])
    gallery.add([plain(GREEN)], ["own"])
    summary = run(gallery, folder)
    assert (summary.added, summary.removed) == (2, 0)
    assert summary.unreadable.keys() == {"red.png"}
    assert "prefix" in summary.unreadable["red.png"]
    assert gallery.vectors(["red.png"]).tolist() == [[0, 250, 0]]
    gallery.remove(["red.png"])
    assert told(run(gallery, folder)) == {"added": 1, "embedded": 1, "unchanged": 2}
    assert names(gallery) == NAMES | {"own"}


def test_an_image_given_by_hand_stays_until_the_file_changes(gallery, folder, tmp_path, encoder):
    run(gallery, folder)
    gallery.update("red.png", metadata={**gallery.get("red.png").metadata, "price": 3})
    gallery.add([plain(BLUE)], ["red.png"], [{"note": "new"}])
    item = gallery.get("red.png")
    assert (item.root, item.metadata["price"], item.metadata["note"]) == (str(folder), 3, "new")
    assert told(run(gallery, folder)) == {"unchanged": 3, "by_hand": ["red.png"]}
    more = table(tmp_path, "path,price\nred.png,11\n")
    assert told(run(gallery, folder, table=more)) == {
        "updated": 1,
        "unchanged": 2,
        "by_hand": ["red.png"],
    }
    item = gallery.get("red.png")
    assert (item.metadata["price"], item.metadata["width"]) == (11, 6)
    assert gallery.vectors(["red.png"]).tolist() == [[0, 0, 250]]
    assert item.thumbnail
    folder.rename(tmp_path / "renamed")
    assert run(gallery, tmp_path / "renamed").by_hand == ["red.png"]
    assert gallery.get("red.png").root == str(tmp_path / "renamed")
    assert gallery.vectors(["red.png"]).tolist() == [[0, 0, 250]]
    save(tmp_path / "renamed" / "red.png", (9, 9, 9))
    assert told(run(gallery, tmp_path / "renamed")) == {
        "replaced": 1,
        "unchanged": 2,
        "embedded": 1,
    }
    assert gallery.vectors(["red.png"]).tolist() == [[9, 9, 9]]
    assert gallery.get("red.png").metadata["note"] == "new"


def test_the_file_itself_given_by_hand_changes_nothing(gallery, folder):
    run(gallery, folder)
    before = gallery.get("red.png")
    gallery.add([(folder / "red.png").read_bytes()], ["red.png"])
    assert gallery.get("red.png") == before
    assert told(run(gallery, folder)) == {"unchanged": 3}


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("red.png", "other/name.png"),
        ("in side/green.PNG", "in side/green.webp"),
        ("in side/green.PNG", "green.PNG"),
    ],
)
def test_a_moved_or_converted_file_keeps_what_it_was_told(gallery, folder, old, new, by_hand):
    run(gallery, folder)
    gallery.update(old, metadata={**gallery.get(old).metadata, "price": 3, "width": 99})
    converted = new.endswith("webp")
    if by_hand:
        gallery.update(old, plain(BLUE))
    (folder / new).parent.mkdir(exist_ok=True)
    if converted:
        save(folder / new, (9, 9, 9))
        (folder / old).unlink()
    else:
        (folder / old).rename(folder / new)
    summary = run(gallery, folder)
    kept = by_hand and not converted
    assert summary.ids["moved"] == [new]
    assert (summary.added, summary.removed, summary.unclear) == (0, 0, [])
    assert (summary.reused, summary.by_hand) == (not converted and not by_hand, [new] * kept)
    assert names(gallery) == NAMES - {old} | {new}
    item = gallery.get(new)
    assert item.metadata["price"] == 3
    assert item.metadata.get("folder", "") == os.path.dirname(new)
    assert item.metadata["width"] == (6 if kept else 8)
    right = BLUE if kept else (9, 9, 9) if converted else {"r": RED, "i": GREEN}[old[0]]
    assert gallery.vectors([new])[0] == pytest.approx(right, abs=3)
    assert told(run(gallery, folder)).get("unchanged") == 3


@pytest.mark.parametrize("copy", ["other/name.png", "in side/green.webp"])
def test_a_copy_that_was_indexed_beside_a_file_keeps_what_was_told_of_it(gallery, folder, copy):
    run(gallery, folder)
    old = "red.png" if copy.endswith("png") else "in side/green.PNG"
    gallery.update(old, metadata={**gallery.get(old).metadata, "price": 3, "folder": "x"})
    (folder / copy).parent.mkdir(exist_ok=True)
    if old == "red.png":
        shutil.copy(folder / old, folder / copy)
    else:
        save(folder / copy, (9, 9, 9))
    run(gallery, folder)
    assert "price" not in gallery.get(copy).metadata
    (folder / old).unlink()
    would = run(gallery, folder, dry_run=True)
    summary = run(gallery, folder)
    assert summary.ids == would.ids
    assert (summary.ids["moved"], summary.removed, summary.unchanged) == ([copy], 0, 2)
    assert names(gallery) == NAMES - {old} | {copy}
    assert gallery.get(copy).metadata["price"] == 3
    assert gallery.get(copy).metadata["folder"] == os.path.dirname(copy)
    assert told(run(gallery, folder)) == {"unchanged": 3}


def test_content_comes_before_the_name_and_what_is_unclear_takes_nothing(gallery, folder):
    save(folder / "a.png", (1, 1, 1))
    for name in ("b/one.png", "b/two.png"):
        save(folder / name, (2, 2, 2))
    run(gallery, folder)
    for price, name in enumerate(("a.png", "b/one.png", "b/two.png")):
        gallery.update(name, metadata={"price": price})
    save(folder / "a.jpg", (50, 50, 50))  # has its name
    (folder / "a.png").rename(folder / "z.png")  # has its content
    (folder / "b" / "one.png").rename(folder / "x.png")  # one or two?
    (folder / "b" / "two.png").unlink()
    summary = run(gallery, folder)
    assert summary.ids["moved"] == ["z.png"]
    assert summary.ids["added"] == ["x.png", "a.jpg"]
    assert summary.ids["removed"] == ["b/one.png", "b/two.png"]
    assert summary.unclear == ["x.png"]
    assert gallery.get("z.png").metadata["price"] == 0
    assert (
        "price" not in gallery.get("a.jpg").metadata.keys() | gallery.get("x.png").metadata.keys()
    )


def test_a_folder_that_shrinks_to_less_than_half_loses_nothing_unless_pruned(gallery, folder):
    save(folder / "fourth.png", (9, 9, 9))
    run(gallery, folder)
    shutil.rmtree(folder / "in side")
    (folder / "fourth.png").rename(folder / "moved.png")
    (folder / "red.png").unlink()
    summary = run(gallery, folder)
    assert (summary.moved, summary.removed) == (1, 0)
    assert sorted(summary.withheld) == sorted(NAMES)
    assert names(gallery) == NAMES | {"moved.png"}
    with pytest.raises(UsageError, match="keep and prune"):
        run(gallery, folder, keep=True, prune=True)
    assert told(run(gallery, folder, prune=True)) == {"unchanged": 1, "removed": 3}
    (folder / "moved.png").unlink()
    with pytest.raises(
        DataError, match=r"the gallery holds 1 item of it, such as moved\.png"
    ) as error:
        run(gallery, folder)
    assert error.value.argument == "prune"
    assert names(gallery) == {"moved.png"}
    assert told(run(gallery, folder, prune=True)) == {"removed": 1}
    assert gallery.count() == 0


def test_a_folder_inside_that_became_a_link_loses_nothing_unless_pruned(gallery, folder, tmp_path):
    for i in range(4):
        save(folder / f"{i}.png", (i, i, i))
    run(gallery, folder)
    (folder / "in side").rename(tmp_path / "elsewhere")
    (folder / "in side").symlink_to(tmp_path / "elsewhere")
    summary = run(gallery, folder)
    below = ["in side/deep/blue.jpg", "in side/green.PNG"]
    assert (summary.removed, sorted(summary.withheld)) == (0, below)
    assert summary.unreadable == {"in side/": "link to a folder"}
    assert run(gallery, folder, prune=True).ids["removed"] == summary.withheld
    assert names(gallery) == {"red.png", *(f"{i}.png" for i in range(4))}


def test_a_dry_run_says_what_would_be_done_and_does_nothing(gallery, folder, encoder):
    run(gallery, folder)
    save(folder / "new.png", (5, 5, 5))
    save(folder / "in side" / "deep" / "blue.jpg", (6, 6, 6))
    (folder / "red.png").rename(folder / "moved.png")
    (folder / "in side" / "green.PNG").unlink()
    before, seen = sorted(map(repr, gallery.store.all(vectors=True))), encoder.seen
    would = run(gallery, folder, dry_run=True)
    assert would.dry_run
    assert would.to_json()["ids"] == {
        "added": ["new.png"],
        "replaced": ["in side/deep/blue.jpg"],
        "updated": [],
        "moved": ["moved.png"],
        "removed": ["in side/green.PNG"],
    }
    assert (sorted(map(repr, gallery.store.all(vectors=True))), encoder.seen) == (before, seen)
    done = run(gallery, folder)
    assert (done.ids, done.embedded, done.reused) == (would.ids, would.embedded, would.reused)
    assert encoder.seen == seen + would.embedded


def test_of_folders_with_queries_the_gallery_is_indexed(gallery, tmp_path):
    photos, sketches = [f"photo/{n}.png" for n in (1, 2)], [f"sketch/{n}.png" for n in (1, 2)]
    for name in photos + sketches:
        save(tmp_path / "set" / name, RED)
    summary = run(gallery, tmp_path / "set")
    assert names(gallery) == set(photos)
    assert dict(summary.left_out) == dict.fromkeys(sketches, "outside of the gallery")
    checked = open_dataset(tmp_path / "set").manifest.where(role="gallery")
    assert sorted(checked.source) == photos


def test_a_layout_takes_every_image_and_its_items_stay_without_it(gallery, tmp_path):
    both = {"query/7/a.png", "gallery/7/b.png"}
    for name in both:
        save(tmp_path / "set" / name, RED)
    run(gallery, tmp_path / "set", layout="**")
    assert names(gallery) == both
    assert run(gallery, tmp_path / "set").withheld == ["query/7/a.png"]
    assert names(gallery) == both
    run(gallery, tmp_path / "set", prune=True)
    assert names(gallery) == {"gallery/7/b.png"}
    with pytest.raises(DataError, match="lies in 2 folders"):
        run(gallery, tmp_path / "set", layout="{role}")


def test_a_read_only_gallery_is_not_indexed_but_tried(gallery, folder, encoder):
    gallery.store.read_only = "the gallery is read-only"
    with pytest.raises(GalleryError, match="read-only"):
        run(gallery, folder)
    assert encoder.seen == 0
    assert run(gallery, folder, dry_run=True).added == 3


def test_a_missing_item_of_a_renamed_folder_keeps_the_image_given_by_hand(
    gallery, folder, tmp_path
):
    for i in range(4):
        save(folder / f"{i}.png", (i, i, i))
    run(gallery, folder)
    gallery.update("red.png", plain(BLUE))
    folder.rename(tmp_path / "renamed")
    (tmp_path / "renamed" / "red.png").rename(tmp_path / "away.png")
    run(gallery, tmp_path / "renamed", keep=True)
    (tmp_path / "away.png").rename(tmp_path / "renamed" / "red.png")
    assert told(run(gallery, tmp_path / "renamed")) == {"unchanged": 7, "by_hand": ["red.png"]}
    assert gallery.vectors(["red.png"]).tolist() == [[0, 0, 250]]


def test_what_is_left_out_is_counted(gallery, folder):
    save(folder / "@eaDir" / "red.png", RED)
    save(folder / "old" / "x.png", RED)
    pages = [Image.new("RGB", (8, 6), (i, i, i)) for i in range(3)]
    pages[0].save(folder / "pages.tif", save_all=True, append_images=pages[1:])
    summary = run(gallery, folder, exclude=("old/*",))
    assert names(gallery) == NAMES | {"pages.tif"}
    assert sorted(summary.to_json()["left_out"], key=lambda one: one["name"]) == [
        {"name": "._red.png", "why": "hidden"},
        {"name": ".hidden/no.png", "why": "hidden"},
        {"name": "@eaDir/red.png", "why": "in a system folder"},
        {"name": "notes.txt", "why": ".txt"},
        {"name": "old/x.png", "why": "excluded"},
    ]
    assert summary.to_json()["pages"] == [{"name": "pages.tif", "left_out": 2}]
    with pytest.raises(UsageError, match="a folder or a zip"):
        run(gallery, "synthetic:18", exclude=("a",))


def test_images_none_of_which_can_be_read_are_an_error(gallery, folder):
    for name in NAMES:
        (folder / name).write_bytes(b"no image")
    with pytest.raises(DataError, match=r"3 images of .*, none readable"):
        run(gallery, folder)


def test_a_folder_that_was_renamed_keeps_its_vectors(gallery, folder, encoder, tmp_path):
    run(gallery, folder)
    folder.rename(tmp_path / "renamed")
    (tmp_path / "renamed" / "red.png").unlink()
    assert told(run(gallery, tmp_path / "renamed")) == {"unchanged": 2, "removed": 1}
    assert encoder.seen == 3
    item = gallery.get("in side/green.PNG")
    assert item.source == str(tmp_path / "renamed" / "in side" / "green.PNG")
    assert told(run(gallery, tmp_path / "renamed")) == {"unchanged": 2}


def test_a_renamed_folder_may_be_interrupted(gallery, folder, tmp_path):
    for i in range(2):
        save(folder / f"gone{i}.png", (i, 0, 0))
    run(gallery, folder)
    folder.rename(tmp_path / "renamed")
    for i in range(2):
        (tmp_path / "renamed" / f"gone{i}.png").unlink()

    def stop(ids):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(gallery, tmp_path / "renamed", on_put=stop)
    assert gallery.count() == 5
    assert told(run(gallery, tmp_path / "renamed")) == {"unchanged": 3, "removed": 2}
    assert names(gallery) == NAMES


@pytest.mark.parametrize("shared", [1, 2])
def test_a_folder_that_is_not_mounted_loses_nothing(gallery, folder, tmp_path, shared):
    save(folder / "fourth.png", (9, 9, 9))
    run(gallery, folder)
    for name in ["red.png", "in side/green.PNG"][:shared]:  # half of its ids are not enough
        save(tmp_path / "other" / name, BLUE)
    save(tmp_path / "other" / "own.png", BLUE)
    folder.rename(tmp_path / "away")
    with pytest.raises(GalleryError, match="not there now") as error:
        run(gallery, tmp_path / "other")
    assert str(folder) in str(error.value)
    assert error.value.argument == "prefix"
    assert names(gallery) == NAMES | {"fourth.png"}
    run(gallery, tmp_path / "other", prefix="other/")
    assert names(gallery) > NAMES | {"fourth.png"}
    (tmp_path / "away").rename(folder)
    assert told(run(gallery, folder)) == {"unchanged": 4}


def table(tmp_path, text):
    (tmp_path / "more.csv").write_text(text, encoding="utf-8")
    return tmp_path / "more.csv"


def test_a_table_tells_more(gallery, folder, tmp_path, encoder):
    text = (
        "path,price,maker,bought,date\n"
        'red.png,10,"Smith, Sons",2024-01-02,1999-01-01\n'
        f"{folder}/in side/green.PNG,2.5,,,\n"
        "missing.png,1,a,b,c\n"
    )
    summary = run(gallery, folder, table=table(tmp_path, text))
    assert told(summary) == {"added": 3, "embedded": 3, "unmatched": ["missing.png"]}
    red = gallery.get("red.png").metadata
    assert red["price"] == 10
    assert red["maker"] == "Smith, Sons"
    assert red["date"] == "1999-01-01"
    assert gallery.count({"bought": {"gte": "2024-01-01"}}) == 1
    green = gallery.get("in side/green.PNG").metadata
    assert green["price"] == 2.5
    assert "maker" not in green
    changed = run(gallery, folder, table=table(tmp_path, "id,price\nred.png,11\n"))
    assert told(changed) == {"updated": 1, "unchanged": 2}
    red = gallery.get("red.png").metadata
    assert (red["price"], red["maker"]) == (11, "Smith, Sons")
    assert red["date"] != "1999-01-01"  # the file tells its own
    assert encoder.seen == 3


def test_what_a_table_or_a_hand_told_stays(gallery, folder, tmp_path):
    run(gallery, folder, table=table(tmp_path, "path,price\nred.png,10\n"))
    green = gallery.get("in side/green.PNG").metadata
    gallery.update("in side/green.PNG", metadata={**green, "price": 20, "width": 1})
    assert told(run(gallery, folder)) == {"unchanged": 3}
    assert gallery.get("red.png").metadata["price"] == 10
    for name in ("red.png", "in side/green.PNG"):
        save(folder / name, BLUE)
    assert run(gallery, folder).replaced == 2
    assert gallery.get("red.png").metadata["price"] == 10
    assert gallery.get("in side/green.PNG").metadata["price"] == 20
    assert gallery.get("in side/green.PNG").metadata["width"] == 8
    more = table(tmp_path, "path,price,maker\nin side/green.PNG,30,Lee\n")
    assert told(run(gallery, folder, table=more)) == {"updated": 1, "unchanged": 2}
    green = gallery.get("in side/green.PNG").metadata
    assert (green["price"], green["maker"]) == (30, "Lee")


def test_a_dataset_speaks_for_its_own_columns(gallery, folder, tmp_path):
    (tmp_path / "set.csv").write_text("source,instance,price\nphotos/red.png,7,12\n")
    run(gallery, tmp_path / "set.csv")
    gallery.update("photos/red.png", metadata={"instance": "8", "price": 13, "note": "old"})
    (tmp_path / "set.csv").write_text("source,instance,price\nphotos/red.png,9,\n")
    assert run(gallery, tmp_path / "set.csv").updated == 1
    said = gallery.get("photos/red.png").metadata
    assert (said["instance"], said["note"]) == ("9", "old")
    assert "price" not in said


def test_a_table_that_is_wrong_changes_nothing(gallery, folder, tmp_path):
    run(gallery, folder, table=table(tmp_path, "path,price\nred.png,10\n"))
    for text in ("path,price\nRED.PNG,11\n", 'path,price\nred.png,"11\nin side/green.PNG,3\n'):
        with pytest.raises(DataError):
            run(gallery, folder, table=table(tmp_path, text))
    rows = "source,instance\nphotos/red.png,7\nphotos/in side/green.PNG,8\n"
    (tmp_path / "set.csv").write_text(rows)
    run(gallery, tmp_path / "set.csv", prefix="set")
    (tmp_path / "set.csv").write_text(rows.replace("7", '"7'))
    with pytest.raises(DataError, match="a quote in line 2"):
        run(gallery, tmp_path / "set.csv", prefix="set")
    assert gallery.get("red.png").metadata["price"] == 10
    assert gallery.get("set/photos/in side/green.PNG").metadata["instance"] == "8"


def test_boxes_of_an_image_are_items(gallery, folder, tmp_path, encoder):
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, 20:] = 255
    Image.fromarray(pixels).save(folder / "wide.png")
    rows = "photos/wide.png,1,0,0,20,20\nphotos/wide.png,2,20,0,40,20\n"
    (tmp_path / "set.csv").write_text("path,label,x_1,y_1,x_2,y_2\n" + rows)
    assert told(run(gallery, tmp_path / "set.csv")) == {"added": 2, "embedded": 2}
    left, right = (gallery.get(f"photos/wide.png#xywh={x},0,20,20") for x in (0, 20))
    assert [item.metadata["instance"] for item in (left, right)] == ["1", "2"]
    shown = [np.asarray(Image.open(io.BytesIO(item.thumbnail))) for item in (left, right)]
    assert [image.shape for image in shown] == [(20, 20, 3)] * 2
    assert [int(image.mean()) for image in shown] == [0, 255]
    assert told(run(gallery, tmp_path / "set.csv")) == {"unchanged": 2}
    save(folder / "wide.png", RED)
    assert run(gallery, tmp_path / "set.csv").unreadable


def test_the_id_of_a_dataset_names_its_items(gallery, folder, tmp_path):
    (tmp_path / "set.csv").write_text(
        "id,path,identity\n007,photos/red.png,unknown\n12,photos/in side/green.PNG,lynx\n"
    )
    run(gallery, tmp_path / "set.csv", table=table(tmp_path, "path,x\nphotos/red.png,5\n"))
    assert names(gallery) == {"007", "12"}
    known = gallery.get("007").metadata
    assert (known["instance"], known["x"], "id" in known) == ("unknown", 5, False)
    (tmp_path / "set.csv").write_text("id,path,label\n7,photos/red.png,1\n7,photos/blue.png,2\n")
    with pytest.raises(DataError, match="the id '7' of photos/blue"):
        run(gallery, tmp_path / "set.csv")


def test_a_dataset_gives_its_gallery(gallery, encoder):
    summary = run(gallery, "synthetic:18")
    assert told(summary) == {"added": 18, "embedded": 18}
    items = gallery.items()[0]
    assert Counter(item.metadata["domain"] for item in items) == {"photo": 18}
    assert {"instance", "category"} <= items[0].metadata.keys()
    assert all(item.id.startswith("synthetic:") for item in items)
    assert told(run(gallery, "synthetic:18")) == {"unchanged": 18}
    assert encoder.seen == 18


def test_a_csv_without_roles_gives_all(gallery, folder, tmp_path, encoder):
    (tmp_path / "set.csv").write_text(
        "source,instance,price,domain\n"
        "photos/red.png,7,12,photo\n"
        "photos/in side/green.PNG,8,,sketch\n"
        "photos/gone.png,9,1,photo\n"
    )
    summary = run(gallery, tmp_path / "set.csv")
    assert summary.added == 2
    assert summary.unreadable.keys() == {"photos/gone.png"}
    red = gallery.get("photos/red.png")
    assert dict(red.metadata) == {"instance": "7", "domain": "photo", "price": 12}
    assert red.domain == "photo"
    assert gallery.get("photos/in side/green.PNG").domain == "sketch"
    assert run(gallery, tmp_path / "set.csv", domain="photo").replaced == 1


def test_members_of_a_zip_have_stamps_too(gallery, folder, tmp_path, monkeypatch):
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(folder / "red.png", "red.png")
    (tmp_path / "set.csv").write_text("source,instance\na.zip!red.png,1\n")
    assert run(gallery, tmp_path / "set.csv").added == 1
    monkeypatch.setattr(content, "read", lambda *a: pytest.fail("was read again"))
    assert told(run(gallery, tmp_path / "set.csv")) == {"unchanged": 1}


def test_more_images_than_a_batch_agree_with_a_naive_loop(gallery, folder, encoder):
    rng = np.random.default_rng(1)
    colours = {f"many/{i}.png": tuple(map(int, rng.integers(0, 256, 3))) for i in range(150)}
    for name, colour in colours.items():
        save(folder / name, colour)
    assert run(gallery, folder).added == 153
    assert gallery.vectors(list(colours)).tolist() == [
        list(map(float, c)) for c in colours.values()
    ]


def test_what_was_put_stays_when_the_model_fails(place, folder, encoder):
    for i in range(100):
        save(folder / f"{i}.png", (i, i, 0))
    with Gallery.open(place, encoder, create=True) as gallery:
        embed, safe = encoder.encode_pixels, []

        def failing(pixels, domain):
            if encoder.seen >= 64:
                raise KeyboardInterrupt
            return embed(pixels, domain)

        encoder.encode_pixels = failing
        with pytest.raises(KeyboardInterrupt):
            run(gallery, folder, on_put=safe.extend)
        encoder.encode_pixels = embed
    with Gallery.open(place, encoder) as gallery:
        assert names(gallery) == set(safe)
        assert len(safe) == 64
        assert run(gallery, folder).added == 103 - 64


def test_the_item_knows_its_root_and_stamp(gallery, folder):
    run(gallery, folder)
    item = gallery.get("red.png")
    assert item.root == str(folder)
    size, _, _ = item.stamp.split(":")
    assert int(size) == (folder / "red.png").stat().st_size
    assert Item("a").stamp == ""
