"""What fusion costs: time of a Sketch-a-Net with pool5 flattened against one without.

    python benchmarks/fusion_cost.py --batch 32 --rounds 15

Both networks take turns within each round, in changing order, so that whatever else the
machine does slows both. A round gives one ratio; the median over rounds is the result, the
spread is the middle half of the rounds. Numbers mean something on an idle machine only.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from cdim.learn.networks.embedder import Embedder
from cdim.learn.recipes.parts import DataPart, FusionPart
from cdim.learn.recipes.recipe import Recipe
from cdim.learn.training.batches import Batch
from cdim.learn.training.losses import TripletLoss

WAYS = {"vanilla": FusionPart(), "fusion": FusionPart(taps=("pool5",), pool="flatten")}
Step = Callable[[], None]


def networks() -> dict[str, Embedder]:
    """The two networks in the layout that training uses."""
    torch.manual_seed(0)
    made = {
        name: Embedder(Recipe(name, DataPart(("synthetic",)), fusion=part))
        for name, part in WAYS.items()
    }
    return {name: network.to(memory_format=torch.channels_last) for name, network in made.items()}


def training_step(network: Embedder, batch: int) -> Step:
    """One step on `batch` triplets: forward, loss, backward, update."""
    n = 3 * batch
    pixels = torch.randn(n, 1, 225, 225).to(memory_format=torch.channels_last)
    triplets = np.arange(n).reshape(3, batch).T
    made = Batch(
        np.arange(n), np.zeros(n, dtype=np.intp), np.arange(n) < batch, np.arange(n), triplets
    )
    loss = TripletLoss()
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-6, momentum=0.9)

    def step() -> None:
        network.train()
        optimiser.zero_grad()
        loss(network(pixels), made).backward()
        optimiser.step()

    return step


def inference_step(network: Embedder, batch: int) -> Step:
    """Embedding `batch` images."""
    pixels = torch.randn(batch, 1, 225, 225).to(memory_format=torch.channels_last)

    def step() -> None:
        network.eval()
        with torch.inference_mode():
            network(pixels)

    return step


def ratios(steps: dict[str, Step], rounds: int, repeats: int) -> list[float]:
    """Fusion / vanilla, one value a round, each of the best of `repeats` interleaved runs."""
    for step in steps.values():
        step()
    found = []
    for number in range(rounds):
        order = list(steps) if number % 2 else list(reversed(steps))
        seconds: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(repeats):
            for name in order:
                started = time.perf_counter()
                steps[name]()
                seconds[name].append(time.perf_counter() - started)
        found.append(min(seconds["fusion"]) / min(seconds["vanilla"]))
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="What fusion costs, as a ratio of times.")
    parser.add_argument("--batch", type=int, default=16, help="triplets a step; images embedded")
    parser.add_argument("--rounds", type=int, default=11, help="ratios that are measured")
    parser.add_argument("--repeats", type=int, default=4, help="runs of each a round")
    arguments = parser.parse_args()
    pair = networks()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {arguments.batch}")
    for name, make in (("training step", training_step), ("inference", inference_step)):
        steps = {way: make(network, arguments.batch) for way, network in pair.items()}
        found = ratios(steps, arguments.rounds, arguments.repeats)
        low, middle, high = (
            statistics.quantiles(found, n=4, method="inclusive") if len(found) > 1 else found * 3
        )
        print(f"{name}: fusion / vanilla = {middle:.3f} (middle half {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
