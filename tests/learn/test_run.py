"""From a recipe to a run's folder, and what happens when a run is stopped or killed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tomli_w
import torch

from cdim.data.synthetic import dataset
from cdim.errors import ModelError, RecipeError, TrainingError, UsageError
from cdim.learn.networks import checkpoint
from cdim.learn.networks.embedder import load_run
from cdim.learn.recipes.parts import DataPart
from cdim.learn.recipes.recipe import read_recipe
from cdim.learn.training.data import load_parts
from cdim.learn.training.loop import is_over
from cdim.learn.training.run import train

KEPT = ("best.safetensors", "last.safetensors")


@pytest.fixture
def start(small, tmp_path):
    """Trains the small recipe, changed by keywords, into a folder of that name."""

    def call(name="run", resume=False, **parts):
        path = tmp_path / "recipe.toml"
        path.write_text(tomli_w.dumps(small(**parts)), encoding="utf-8")
        return train(path, out=tmp_path / name, device="cpu", resume=resume)

    return call


@pytest.fixture(scope="module")
def finished(small, tmp_path_factory):
    """A run of two steps with a validation part."""
    folder = tmp_path_factory.mktemp("runs")
    table = small(data={"train": ["synthetic:24"], "validation": 0.4}, loop={"steps": 2})
    (folder / "r.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    return train(folder / "r.toml", out=folder / "stage1", device="cpu")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def steps_of(folder):
    text = (folder / "log.jsonl").read_text("utf-8")
    found = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return [line["step"] for line in found if "loss" in line]


def test_a_run_is_a_folder_of_these_files(finished):
    assert {p.name for p in finished.iterdir()} == {
        "recipe.toml",
        *KEPT,
        "log.jsonl",
        "tensorboard",
    }
    assert (
        read_recipe(finished / "recipe.toml").to_dict()
        == load_run(finished, "cpu").recipe.to_dict()
    )
    lines = (finished / "log.jsonl").read_text("utf-8").splitlines()
    assert any("validation/acc@1" in line for line in lines)
    assert list((finished / "tensorboard").iterdir())


def test_a_loaded_run_embeds_as_the_network_did_and_always_the_same(finished):
    manifest = dataset.manifest(9)
    network = load_run(finished, "cpu")
    first = network.embed(manifest)
    assert first.shape == (18, network.dim)
    assert first.dtype == np.float32
    assert np.array_equal(first, network.embed(manifest))
    assert np.array_equal(first, load_run(finished, "cpu").embed(manifest))
    np.testing.assert_allclose(network.embed(manifest.take([5])), first[[5]], atol=1e-5)


def test_embedding_is_the_same_before_and_after_saving(start, monkeypatch):
    seen = {}
    manifest = dataset.manifest(6)
    original = checkpoint.write

    def noting(path, tensors, meta):
        original(path, tensors, meta)
        if path.name == "best.safetensors":
            seen[path] = {k: v.detach().clone() for k, v in tensors.items()}

    monkeypatch.setattr(checkpoint, "write", noting)
    folder = start(loop={"steps": 2})
    before = load_run(folder, "cpu")
    for name, tensor in before.state_dict().items():
        assert torch.equal(tensor, seen[folder / "best.safetensors"][f"model.{name}"])
    trained = load_run(folder, "cpu").to(memory_format=torch.channels_last)
    np.testing.assert_allclose(trained.embed(manifest), before.embed(manifest), atol=1e-5)


def test_a_run_is_not_overwritten(finished):
    before = contents(finished)
    with pytest.raises(UsageError, match="already holds a run"):
        train(finished / "recipe.toml", out=finished, device="cpu")
    assert contents(finished) == before


def test_resuming_with_another_recipe_changes_nothing(finished):
    before = contents(finished)
    with pytest.raises(ModelError, match="other values of optimiser"):
        train(finished / "recipe.toml", ["optimiser.lr=0.5"], None, finished, "cpu", True)
    assert contents(finished) == before


def test_resuming_what_has_saved_nothing_starts_anew(start, capsys):
    run = start("new", resume=True, loop={"steps": 1})
    assert "has saved nothing yet" in capsys.readouterr().err
    assert is_over(run)


@pytest.mark.parametrize(("able", "precision"), [(True, "bf16"), (False, "fp32")])
def test_auto_is_the_precision_that_the_processor_is_fast_in(
    start, capsys, monkeypatch, able, precision
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "amx_bf16": able})
    run = start("auto", loop={"steps": 1, "precision": "auto"})
    assert f"precision: {precision}\n" in capsys.readouterr().err
    assert read_recipe(run / "recipe.toml").loop.precision == precision
    same = start("named", loop={"steps": 1, "precision": precision})
    assert "precision" not in capsys.readouterr().err
    other = start(
        "other", loop={"steps": 1, "precision": {"bf16": "fp32", "fp32": "bf16"}[precision]}
    )
    tensors = [checkpoint.read(each / "last.safetensors")[0] for each in (run, same, other)]
    key = "model.backbone.network.fc7.weight"
    assert torch.equal(tensors[0][key], tensors[1][key])
    assert not torch.equal(tensors[0][key], tensors[2][key])


def test_a_run_goes_on_in_the_precision_it_began_with(start, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    start(loop={"steps": 1, "precision": "auto"})
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    run = start(resume=True, loop={"steps": 2, "precision": "auto"})
    assert steps_of(run) == [1, 2]
    assert read_recipe(run / "recipe.toml").loop.precision == "bf16"


def test_a_pytorch_that_cannot_tell_trains_in_fp32(start, monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    run = start(loop={"steps": 1, "precision": "auto"})
    assert read_recipe(run / "recipe.toml").loop.precision == "fp32"


def test_stages_that_start_from_each_other_are_refused(start, small, tmp_path):
    (tmp_path / "a.toml").write_text(tomli_w.dumps(small(model={"start": "b-0"})), "utf-8")
    (tmp_path / "b.toml").write_text(tomli_w.dumps(small(model={"start": "a-0"})), "utf-8")
    with pytest.raises(RecipeError, match="leads back"):
        start("c", model={"start": "a-0"})


def test_rows_without_a_split_are_left_out_where_others_have_one(tmp_path):
    rows = ["source,instance,split", "a.png,1,train", "b.png,2,", "c.png,3,test"]
    (tmp_path / "some.csv").write_text("\n".join(rows), "utf-8")
    (tmp_path / "none.csv").write_text("\n".join(r.rpartition(",")[0] for r in rows), "utf-8")
    some = load_parts(DataPart((str(tmp_path / "some.csv"),), 0.0), None)
    none = load_parts(DataPart((str(tmp_path / "none.csv"),), 0.0), None)
    assert some.train.instance.tolist() == ["1"]
    assert none.train.instance.tolist() == ["1", "2", "3"]


def test_folders_are_read_by_the_layout_of_the_recipe(tmp_path):
    for name in ("shoes/s1/a.png", "bags/b1/b.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    part = DataPart((str(tmp_path),), 0.0, layout="{category}/{instance}")
    assert load_parts(part, None).train.instance.tolist() == ["b1", "s1"]


def test_validation_is_carved_by_instance_and_the_same_for_every_seed():
    part = DataPart(("synthetic:60",), validation=0.25)
    parts = load_parts(part, None)
    held, kept = set(parts.validation.instance), set(parts.train.instance)
    assert not held & kept
    assert set(parts.train.split) == set(parts.validation.split) == {"train"}
    names = dataset.manifest(60).where(split="train")
    assert held | kept == set(names.instance)
    assert len(parts.validation) + len(parts.train) == len(names)
    for category in ("shoe", "chair", "bag"):
        all_of_it = {n for n in held | kept if n.startswith(category)}
        assert len(held & all_of_it) == round(0.25 * len(all_of_it))
    assert set(load_parts(part, None).validation.instance) == held
    other = load_parts(DataPart(part.train, 0.25, validation_seed=1), None)
    assert set(other.validation.instance) != held
    none = load_parts(DataPart(part.train, 0.0), None)
    assert (len(none.validation), len(none.train)) == (0, len(names))


def test_folds_hold_out_every_instance_once():
    folds = [load_parts(DataPart(("synthetic:71",), 0.2, fold=f), None) for f in range(5)]
    held = [name for fold in folds for name in np.unique(fold.validation.instance)]
    assert sorted(held) == sorted(np.unique(dataset.manifest(71).where(split="train").instance))


def test_a_stage_starts_from_an_earlier_one(finished, small, tmp_path, monkeypatch):
    seen = {}
    stop = RuntimeError("seen enough")

    def instead(_plan, embedder, *_rest):
        seen.update({k: v.clone() for k, v in embedder.backbone.state_dict().items()})
        raise stop

    monkeypatch.setattr("cdim.learn.training.run.Trainer", instead)

    def begin(**model):
        table = small(model={"start": str(finished), **model})
        (tmp_path / "r.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
        with pytest.raises(RuntimeError, match="seen enough"):
            train(tmp_path / "r.toml", out=finished.parent / "stage2", device="cpu")
        return dict(seen)

    given = load_run(finished, "cpu").backbone.state_dict()
    for where in (str(finished), finished.name):  # a path, or a run beside this one
        taken = begin(start=where)
        assert all(torch.equal(taken[name], given[name]) for name in given)
    skipped = begin(start_skip=["conv1", "fc7"])
    for name in given:
        skip = "conv1" in name or "fc7.weight" in name
        if not name.endswith("bias"):
            assert torch.equal(skipped[name], given[name]) != skip, name


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"model": {"start": "nowhere"}}, "'nowhere' is no finished run"),
        (
            {"input": {"channels": 3, "mean": [1.0] * 3, "std": [1.0] * 3}},
            r"\(64, 1, 15, 15\).*start_skip",
        ),
        ({"input": {"crop": [90, 90], "resize": [120, 120]}, "model": {"start_skip": []}}, ""),
    ],
)
def test_an_earlier_stage_that_does_not_fit_is_told(start, finished, tmp_path, parts, message):
    model = {"start": str(finished), **parts.get("model", {})}
    if not message:  # the same weights fit a crop whose last map has the same size
        start(**{**parts, "model": model, "loop": {"steps": 1}})
        return
    with pytest.raises(ModelError, match=message):
        start(**{**parts, "model": model})
    assert not (tmp_path / "run").exists()


def test_a_layer_to_skip_must_exist(start, finished):
    with pytest.raises(RecipeError, match="did you mean 'conv1'"):
        start(model={"start": str(finished), "start_skip": ["conv11"]})


def test_missing_stages_are_trained_first_and_stopped_ones_finished(start, small, tmp_path):
    first = small(loop={"steps": 2, "evaluate_every": 1})
    (tmp_path / "first.toml").write_text(tomli_w.dumps(first), encoding="utf-8")
    start("second", model={"start": "first-3"}, loop={"steps": 1})
    assert read_meta(tmp_path / "first-3")["recipe"]["seed"] == 3
    assert is_over(tmp_path / "first-3")
    # The same stage stopped halfway ends as if it had not been.
    whole = contents(tmp_path / "first-3")
    shutil.rmtree(tmp_path / "first-3")
    first["loop"]["steps"] = 1
    (tmp_path / "half.toml").write_text(tomli_w.dumps(first), encoding="utf-8")
    half = train(tmp_path / "half.toml", out=tmp_path / "first-3", device="cpu", seed=3)
    tensors, meta = checkpoint.read(half / "last.safetensors")
    meta["recipe"]["loop"]["steps"] = 2
    checkpoint.write(half / "last.safetensors", tensors, meta)
    start("third", model={"start": "first-3"}, loop={"steps": 1})
    now = contents(tmp_path / "first-3")
    assert now["best.safetensors"] == whole["best.safetensors"]


def test_an_unfinished_run_elsewhere_is_no_start(start, tmp_path):
    start("part", loop={"steps": 1})
    last = tmp_path / "part" / "last.safetensors"
    tensors, meta = checkpoint.read(last)
    meta["progress"]["step"] = 0
    checkpoint.write(last, tensors, meta)
    with pytest.raises(ModelError, match="no finished run"):
        start("next", model={"start": str(tmp_path / "part")})


def read_meta(run):
    return checkpoint.read(run / "best.safetensors")[1]


def test_an_absurd_learning_rate_ends_in_one_line(start, tmp_path):
    with pytest.raises(TrainingError, match=r"optimiser\.lr") as caught:
        start(optimiser={"lr": 1e30}, loop={"steps": 6, "evaluate_every": 1})
    assert "\n" not in str(caught.value)
    for name in KEPT:
        if (tmp_path / "run" / name).exists():
            tensors, _ = checkpoint.read(tmp_path / "run" / name)
            assert all(torch.isfinite(t).all() for t in tensors.values())


def test_a_full_disk_while_training_leaves_the_last_checkpoint(start, tmp_path, monkeypatch):
    start(loop={"steps": 2})
    before = contents(tmp_path / "run")

    def full(source, target):
        if str(target).endswith(".safetensors"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(source, target)

    original = os.replace
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(TrainingError, match=r"No space left.*resume"):
            start(resume=True)
    after = contents(tmp_path / "run")
    assert {k: after[k] for k in KEPT} == {k: before[k] for k in KEPT}
    start(resume=True)
    assert steps_of(tmp_path / "run") == [1, 2, 3, 4, 5, 6]


def can_mount(folder):
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    try:
        return subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def test_a_disk_that_is_really_full(start, tmp_path):
    """With the right to mount a small disk: really. Without it the test above stands alone."""
    folder = tmp_path / "run"
    folder.mkdir()
    if not can_mount(folder):
        return
    try:
        start(loop={"steps": 2})  # two checkpoints of about 10 and 20 MB
        before = contents(folder)
        room = os.statvfs(folder)
        (folder / "ballast").write_bytes(b"0" * (room.f_bavail * room.f_frsize - 2**20))
        with pytest.raises(TrainingError, match="No space left"):
            start(resume=True)
        after = contents(folder)
        assert {k: after[k] for k in KEPT} == {k: before[k] for k in KEPT}
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def process(small, tmp_path):
    """Trains in a process of its own; returns it once the log has some lines."""

    def begin(folder, lines, **parts):
        (tmp_path / "p.toml").write_text(tomli_w.dumps(small(**parts)), encoding="utf-8")
        command = [sys.executable, "-m", "cdim", "train", "p.toml", "--device", "cpu"]
        child = subprocess.Popen(
            [*command, "--out", str(folder)],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        log = tmp_path / folder / "log.jsonl"
        until = time.monotonic() + 180
        while not (log.exists() and log.read_bytes().count(b"\n") >= lines):
            assert child.poll() is None, child.stderr.read()
            assert time.monotonic() < until, "the run does not get going"
            time.sleep(0.01)
        return child

    return begin


LONG = {"steps": 100_000, "evaluate_every": 3}


def test_ctrl_c_in_a_real_process_can_be_resumed_bit_for_bit(process, start, tmp_path):
    child = process("parts", 4, loop=LONG)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=120)
    assert child.returncode == 130, said
    assert "--resume" in said.splitlines()[-1]
    assert "Traceback" not in said
    _, meta = checkpoint.read(tmp_path / "parts" / "last.safetensors")
    done = meta["progress"]["step"]
    assert steps_of(tmp_path / "parts") == list(range(1, done + 1))
    total = {"steps": done + 2, "evaluate_every": 3}
    start("parts", resume=True, loop=total)
    assert steps_of(tmp_path / "parts") == list(range(1, done + 3))
    start("whole", loop=total)
    one, other = (
        checkpoint.read(tmp_path / run / "last.safetensors")[0] for run in ("whole", "parts")
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.skipif(os.name == "nt", reason="no such signal there")
def test_a_killed_run_leaves_whole_checkpoints_and_goes_on(process, start, tmp_path):
    child = process("run", 8, loop={"steps": 100_000, "evaluate_every": 1})
    child.kill()
    child.communicate(timeout=60)
    for name in KEPT:
        checkpoint.read(tmp_path / "run" / name)
    done = checkpoint.read(tmp_path / "run" / "last.safetensors")[1]["progress"]["step"]
    assert done >= 6
    start(resume=True, loop={"steps": done + 1, "evaluate_every": 1})
    assert steps_of(tmp_path / "run") == list(range(1, done + 2))
