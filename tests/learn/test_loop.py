"""The training loop on products in memory."""

from __future__ import annotations

import json
import signal
from itertools import pairwise

import numpy as np
import pytest
import torch

from cdim.errors import ModelError, TrainingError
from cdim.learn.networks import checkpoint
from cdim.learn.networks.embedder import Embedder
from cdim.learn.recipes.parts import OptimiserPart
from cdim.learn.training.batches import ImageCache, Targets, make_sampler
from cdim.learn.training.loop import Trainer, is_over, learning_rate
from cdim.learn.training.losses import build_loss


@pytest.fixture(scope="module")
def train(recipe, products):
    """A trainer of the small recipe, changed by keywords, and the call that trains."""
    manifest = products()

    def build(folder, **parts):
        plan = recipe(**parts)
        folder.mkdir(exist_ok=True)
        torch.manual_seed(plan.seed)
        embedder = Embedder(plan)
        targets = Targets(manifest, "instance", [])
        criterion = build_loss(plan.loss, embedder.dim, len(targets.names))
        layout = torch.channels_last if plan.loop.channels_last else torch.contiguous_format
        embedder.to(memory_format=layout)
        trainer = Trainer(plan, embedder, criterion, folder)
        cache = ImageCache(manifest, embedder.preprocess)
        return trainer, lambda judge=None: trainer.fit(cache, make_sampler(plan, targets), judge)

    return build


def lines(folder):
    text = (folder / "log.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def losses(folder):
    return {line["step"]: line["loss"] for line in lines(folder) if "loss" in line}


def same_state(one, other):
    left, right = (checkpoint.read(folder / "last.safetensors")[0] for folder in (one, other))
    assert left.keys() == right.keys()
    return [name for name in left if not torch.equal(left[name], right[name])]


def test_training_lowers_the_loss(train, tmp_path):
    _, fit = train(
        tmp_path / "run",
        loss={"kind": "cross-entropy"},
        optimiser={"kind": "adamw", "lr": 0.001},
        fusion={"normalise": "none"},
        augment={"flip": 0.0, "crop": "center"},
        loop={"batch": 12, "steps": 20},
    )
    fit()
    found = list(losses(tmp_path / "run").values())
    assert len(found) == 20
    assert np.mean(found[-3:]) < 0.5 * np.mean(found[:3])


WAYS = {
    "sgd": {"optimiser": {"kind": "sgd"}},
    "no momentum": {"optimiser": {"kind": "sgd", "momentum": 0.0}},
    "adamw": {"optimiser": {"kind": "adamw", "lr": 0.001, "weight_decay": 0.1}},
    "average": {"optimiser": {"kind": "adamw", "lr": 0.001, "ema": 0.9}},
    "contiguous": {"loop": {"channels_last": False}, "fusion": {"taps": ["conv4"], "pool": "gem"}},
    "classes": {"loss": {"kind": "cross-entropy"}, "optimiser": {"schedule": "cosine"}},
    "proxies": {"loss": {"kind": "ProxyAnchorLoss"}},
}


@pytest.mark.parametrize("way", list(WAYS))
def test_a_stopped_run_goes_on_bit_for_bit(train, tmp_path, way):
    change = {
        "augment": {"crop": "random", "rotate": 5.0, "erase": 0.2, "thicken": 0.5},
        **WAYS[way],
    }
    whole, fit = train(tmp_path / "whole", **change)
    fit()

    stopped, fit = train(tmp_path / "parts", **change)
    step = stopped._step

    def interrupted(*arguments):
        # What Ctrl-C calls; test_run.py sends it to a real process. In this one OpenVINO may have
        # left a stack for signals that it has freed, so that a real one would crash.
        if stopped.progress.step == 2:
            signal.getsignal(signal.SIGINT)(signal.SIGINT, None)
        return step(*arguments)

    stopped._step = interrupted
    with pytest.raises(KeyboardInterrupt):
        fit()
    assert stopped.progress.step == 3
    again, fit = train(tmp_path / "parts", **change)
    torch.manual_seed(99)  # whatever else the new process did
    again.resume()
    assert again.progress == stopped.progress
    fit()

    assert not same_state(tmp_path / "whole", tmp_path / "parts")
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    assert whole.progress == again.progress
    one, other = ((tmp_path / run / "best.safetensors").read_bytes() for run in ("whole", "parts"))
    assert one == other


def test_more_steps_continue_a_finished_run(train, tmp_path):
    train(tmp_path / "whole")[1]()
    train(tmp_path / "parts", loop={"steps": 3})[1]()
    again, fit = train(tmp_path / "parts")
    again.resume()
    fit()
    assert not same_state(tmp_path / "whole", tmp_path / "parts")
    assert [line["step"] for line in lines(tmp_path / "parts")] == [1, 2, 3, 4, 5, 6]


def test_signals_mean_what_they_did_before(train, tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    train(tmp_path / "run", loop={"steps": 1})[1]()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_lines_of_work_that_is_done_again_are_dropped(train, tmp_path):
    """A run that was killed has logged steps that no checkpoint holds, and half a line."""
    train(tmp_path, loop={"steps": 4})[1]()
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 5, "loss": 1.0}\n{"step": 6, "lo')
    again, fit = train(tmp_path)
    again.resume()
    fit(lambda _network: {"score": 1.0})
    steps = [line["step"] for line in lines(tmp_path) if "loss" in line]
    assert steps == [1, 2, 3, 4, 5, 6]
    looks = [line["step"] for line in lines(tmp_path) if "validation/score" in line]
    assert looks == [6]


def test_a_loss_that_is_no_number_stops_and_leaves_the_checkpoints(train, tmp_path):
    run, fit = train(tmp_path)
    step = run._step

    def spoiled(*arguments):
        if run.progress.step == 3:
            with torch.no_grad():
                run.embedder.backbone.network.fc7.weight.fill_(float("nan"))
        return step(*arguments)

    run._step = spoiled
    with pytest.raises(TrainingError, match=r"the loss is nan at step 4 .*optimiser\.lr") as caught:
        fit()
    assert "\n" not in str(caught.value)
    for name in ("best", "last"):
        tensors, meta = checkpoint.read(tmp_path / f"{name}.safetensors")
        assert all(torch.isfinite(t).all() for t in tensors.values())
        assert meta.get("step", meta.get("progress", {}).get("step")) == 2
    assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize("judge", [None, lambda network: {"score": 1.0}])
def test_weights_that_are_no_numbers_are_not_saved(train, tmp_path, judge):
    """The step that spoils the weights has a loss that is still a number."""
    run, fit = train(tmp_path, loop={"evaluate_every": 1})
    step = run._step

    def spoiling(*arguments):
        value = step(*arguments)
        if run.progress.step == 2:
            with torch.no_grad():
                run.embedder.backbone.network.fc7.weight.fill_(float("inf"))
        return value

    run._step = spoiling
    with pytest.raises(TrainingError, match=r"step 3"):
        fit(judge)
    for name in ("best", "last"):
        tensors, _ = checkpoint.read(tmp_path / f"{name}.safetensors")
        assert all(torch.isfinite(t).all() for t in tensors.values())


def test_a_run_resumes_with_its_own_recipe(train, tmp_path):
    train(tmp_path, loop={"steps": 2})[1]()
    for change in ({"optimiser": {"lr": 0.5}}, {"loss": {"margin": 0.1}}, {"seed": 1}):
        with pytest.raises(ModelError, match=f"other values of {next(iter(change))}"):
            train(tmp_path, **change)[0].resume()
    with pytest.raises(ModelError, match="cannot read"):
        train(tmp_path / "nothing")[0].resume()


def test_training_stops_when_validation_stops_improving(train, tmp_path):
    scores = iter([0.1, 0.5, 0.4, 0.5, 0.3, 0.9])
    run, fit = train(tmp_path, loop={"steps": 60, "evaluate_every": 1, "patience": 3})
    fit(lambda _network: {"score": next(scores)})
    assert (run.progress.step, run.progress.best, run.progress.best_step) == (5, 0.5, 2)
    assert checkpoint.read(tmp_path / "best.safetensors")[1]["step"] == 2
    assert checkpoint.read(tmp_path / "last.safetensors")[1]["progress"]["step"] == 5
    again, fit = train(tmp_path, loop={"steps": 60, "evaluate_every": 1, "patience": 3})
    again.resume()
    fit(lambda _network: {"score": next(scores)})
    assert again.progress.step == 5


def test_the_average_is_what_is_judged_and_kept(train, tmp_path):
    seen = []
    run, fit = train(tmp_path, optimiser={"ema": 0.5, "lr": 0.1}, loop={"steps": 3})
    steps, step = [], run._step

    def noting(*arguments):
        value = step(*arguments)
        steps.append(run.embedder.backbone.network.fc7.weight.detach().clone())
        return value

    run._step = noting
    fit(lambda network: seen.append(network) or {"score": float(len(seen))})
    wanted = steps[0]
    for weights in steps[1:]:
        wanted = 0.5 * wanted + 0.5 * weights
    assert all(network is run.average.module for network in seen)
    tensors, _ = checkpoint.read(tmp_path / "best.safetensors")
    torch.testing.assert_close(tensors["model.backbone.network.fc7.weight"], wanted)


def test_the_learning_rate_rises_and_falls():
    flat = OptimiserPart(lr=0.5, warmup=4)
    assert [learning_rate(flat, 10, k) for k in range(6)] == [0.125, 0.25, 0.375, 0.5, 0.5, 0.5]
    curve = OptimiserPart(lr=0.5, schedule="cosine", warmup=4)
    rates = [learning_rate(curve, 20, k) for k in range(20)]
    assert rates[:4] == [0.125, 0.25, 0.375, 0.5]
    assert all(a >= b for a, b in pairwise(rates[4:]))
    assert 0 < rates[-1] < 0.01


def test_weight_decay_leaves_biases_alone(train, tmp_path):
    run, _ = train(tmp_path, optimiser={"weight_decay": 0.1})
    weights, biases = run.optimiser.param_groups
    assert (weights["weight_decay"], biases["weight_decay"]) == (0.1, 0.0)
    assert {p.ndim for p in biases["params"]} == {1}
    count = len(list(run.embedder.parameters()))
    assert len(weights["params"]) + len(biases["params"]) == count


def test_no_steps_keep_the_network_as_it_came(train, tmp_path):
    trainer, fit = train(
        tmp_path / "run", model={"weights": "timm"}, loop={"batch": 12, "steps": 0}
    )
    before = {name: value.clone() for name, value in trainer.embedder.state_dict().items()}
    looks = []

    def judge(embedder):
        looks.append(embedder)
        return {"score": 0.5}

    fit(judge)
    kept, meta = checkpoint.read(tmp_path / "run" / "best.safetensors")
    assert len(looks) == 1
    assert (meta["step"], meta["validation"]) == (0, {"score": 0.5})
    assert all(torch.equal(kept[f"model.{name}"], value) for name, value in before.items())
    assert is_over(tmp_path / "run")
