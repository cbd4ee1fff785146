"""Spatial attention, the rival design of Fig. 3(b), after DSSA (Song et al., ICCV 2017)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from cdim.learn.networks.taps import Maps, Vectors

HIDDEN = 256
"""Channels between the two convolutions, as in DSSA."""


class Attention(nn.Module):
    """Pools a map with the cells it attends to counting more: the mean of `f + a f`.

    The mask `a` comes from two 1 x 1 convolutions with a ReLU between them and a softmax over
    positions. Added to the map and not put in its place (the shortcut of DSSA, its Sec. 3.2), a
    bad mask loses nothing. DSSA's fc6 sees the attended map as well; here, as everywhere in the
    fusion module, the backbone is left alone.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Conv2d(channels, HIDDEN, 1), nn.ReLU(), nn.Conv2d(HIDDEN, 1, 1)
        )

    def mask(self, x: Maps) -> Float[Tensor, "batch 1 height width"]:
        """How much each cell counts, 0 to 1, adding up to 1 over the cells of an image."""
        scores: Tensor = self.score(x.float()).float()
        return scores.flatten(1).softmax(1).view_as(scores)

    def forward(self, x: Maps) -> Vectors:
        """(batch, channels), float32."""
        return (x * (1 + self.mask(x))).mean((2, 3))
