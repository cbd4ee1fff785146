"""Sketch-a-Net as the paper uses it (Sec. 3.2, Fig. 4a)."""

from __future__ import annotations

from torch import Tensor, nn

from cdim.errors import RecipeError
from cdim.learn.networks.taps import Maps, Tap

# name: (output channels, kernel, stride, padding, pooled by 3/2 behind the ReLU)
CONVOLUTIONS = {
    "conv1": (64, 15, 3, 0, True),
    "conv2": (128, 5, 1, 0, True),
    "conv3": (256, 3, 1, 1, False),
    "conv4": (256, 3, 1, 1, False),
    "conv5": (256, 3, 1, 1, True),
}
FC6, FC7 = 512, 256


class SketchANet(nn.Module):
    """Five convolutions and two fully connected layers on a 225 x 225 grey image.

    ReLU follows every layer but fc7; there is no dropout. The taps are the maps behind each ReLU,
    `conv1` to `conv5`; the same behind the max-pooling, `pool1`, `pool2`, `pool5`; and the vectors
    `fc6` and `fc7`. What the paper calls the conv5 map is `pool5`, 256 x 7 x 7.

    Args:
        channels: of the input image.
        crop: (height, width) of the input in pixels; (225, 225) in the paper.

    Raises:
        RecipeError: an input so small that a map would be empty.
    """

    def __init__(self, channels: int = 1, crop: tuple[int, int] = (225, 225)) -> None:
        super().__init__()
        self.convolutions = nn.ModuleDict()
        self.layouts: dict[str, Tap] = {}
        height, width, width_in = *crop, channels
        for name, (out, kernel, step, padding, pooled) in CONVOLUTIONS.items():
            self.convolutions[name] = nn.Conv2d(width_in, out, kernel, step, padding)
            height, width = ((s + 2 * padding - kernel) // step + 1 for s in (height, width))
            self.layouts[name] = Tap(out, (height, width))
            if pooled:
                height, width = (height - 3) // 2 + 1, (width - 3) // 2 + 1
                self.layouts[f"pool{name[-1]}"] = Tap(out, (height, width))
            width_in = out
        if min(height, width) < 1:
            raise RecipeError(
                f"input.crop = {list(crop)}", "Sketch-a-Net needs at least 81 x 81", "enlarge it"
            )
        self.pool = nn.MaxPool2d(3, 2)
        self.fc6 = nn.Linear(width_in * height * width, FC6)
        self.fc7 = nn.Linear(FC6, FC7)
        self.layouts |= {"fc6": Tap(FC6, (1, 1)), "fc7": Tap(FC7, (1, 1))}
        for weights in self.parameters():
            if weights.ndim > 1:
                nn.init.kaiming_normal_(weights, nonlinearity="relu")
            else:
                nn.init.zeros_(weights)

    def forward(self, images: Maps) -> dict[str, Tensor]:
        """Every tap by name."""
        taps: dict[str, Tensor] = {}
        x: Tensor = images
        for name, convolution in self.convolutions.items():
            x = taps[name] = convolution(x).relu()
            if f"pool{name[-1]}" in self.layouts:
                x = taps[f"pool{name[-1]}"] = self.pool(x)
        x = taps["fc6"] = self.fc6(x.flatten(1)).relu()
        taps["fc7"] = self.fc7(x)
        return taps
