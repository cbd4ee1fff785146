"""What batch norms remember is what training images give."""

import numpy as np
import torch
from torch import nn

from cdim.learn.training.norms import measure_norms


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3))


def test_means_and_variances_are_those_of_the_batches():
    net = network()
    net(100 * torch.randn(4, 2, 5, 5))  # something to forget
    batches = [torch.randn(4, 2, 5, 5), 3 + torch.randn(4, 2, 5, 5)]
    measure_norms(net, batches)
    with torch.no_grad():
        seen = [net[0](batch).numpy() for batch in batches]
    assert np.allclose(
        net[1].running_mean, np.mean([x.mean((0, 2, 3)) for x in seen], 0), atol=1e-5
    )
    variances = [x.transpose(1, 0, 2, 3).reshape(3, -1).var(1, ddof=1) for x in seen]
    assert np.allclose(net[1].running_var, np.mean(variances, 0), rtol=1e-4)
    assert net[1].momentum == 0.1


def test_one_batch_makes_evaluation_what_training_is():
    net, images = network(), torch.randn(64, 2, 9, 9)
    measure_norms(net, [images])
    with torch.no_grad():
        trained, evaluated = net(images), net.eval()(images)
    assert torch.allclose(trained, evaluated, atol=1e-2)


def test_frozen_norms_stay_as_they_are():
    net = network()

    class Holding(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net

        def forward(self, x):
            return self.inner(x)

        def train(self, mode=True):
            super().train(mode)
            self.inner[1].eval()
            return self

    before = {k: v.clone() for k, v in net[1].state_dict().items()}
    measure_norms(Holding(), [7 + torch.randn(8, 2, 3, 3)])
    assert all(torch.equal(before[k], v) for k, v in net[1].state_dict().items())
    assert net[2].num_batches_tracked == 1


def test_without_norms_no_batch_is_drawn():
    def none():
        raise AssertionError
        yield

    measure_norms(nn.Linear(2, 2), none())
