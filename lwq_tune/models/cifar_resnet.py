"""The CIFAR residual network in float (He et al. 2016, section 4.2; Ikram et al. 2025, Table 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lwq_tune.models.layer_shapes import stage_channels


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm around a shortcut.

    Where the shape changes, the shortcut is a 1x1 convolution with batch norm (option B). Its stride is taken
    before it, by slicing, which is the same: oneDNN writes past a buffer in the backward pass of strided 1x1
    convolutions of fewer than 8 channels on AVX2 (uxlfoundation/oneDNN#6035; seen with torch 2.15).

    Both quantizers are the identity until `lwq_tune.quantization.prepare` puts a stage's own at its ends:
    ``input_quantizer`` sees what enters the block on all paths, ``output_quantizer`` what leaves it. It makes a ReLU
    the identity where the quantizer behind it clips at 0 itself.
    """

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.input_quantizer: nn.Module = nn.Identity()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.stride = stride
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out))
        self.relu1: nn.Module = nn.ReLU(inplace=True)
        self.relu2: nn.Module = nn.ReLU(inplace=True)
        self.output_quantizer: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, c_in, h, w), non-negative, to (n, c_out, h / stride, w / stride), non-negative."""
        x = self.input_quantizer(x)
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        kept = x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride]
        out = self.relu2(out.add_(self.shortcut(kept)))
        result: Tensor = self.output_quantizer(out)
        return result


class CifarResNet(nn.Module):
    """Residual network for small images: stem, one to six stages ``layer1``…, average pool, classifier."""

    def __init__(
        self, blocks: tuple[int, ...] = (2, 2, 2), width: float = 1.0, num_classes: int = 10, image_channels: int = 3
    ) -> None:
        super().__init__()
        channels = stage_channels(len(blocks), width)
        self.conv1 = nn.Conv2d(image_channels, channels[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels[0])
        self.relu = nn.ReLU(inplace=True)
        self.n_stages = len(blocks)
        c_in = channels[0]
        for stage, (n_blocks, c_out) in enumerate(zip(blocks, channels, strict=True), start=1):
            strides = [1 if stage == 1 else 2] + [1] * (n_blocks - 1)
            inputs = [c_in] + [c_out] * (n_blocks - 1)
            stage_blocks = [BasicBlock(c, c_out, s) for c, s in zip(inputs, strides, strict=True)]
            self.add_module(f"layer{stage}", nn.Sequential(*stage_blocks))
            c_in = c_out
        self.fc = nn.Linear(c_in, num_classes)
        self._initialize()

    def _initialize(self) -> None:
        """Initialise convolutions after He et al. 2015, for the fan out."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stages(self) -> list[nn.Sequential]:
        """Return the residual stages, shallow to deep."""
        return [self.get_submodule(f"layer{stage}") for stage in range(1, self.n_stages + 1)]  # type: ignore[misc]

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images (n, c, h, w) to logits (n, classes)."""
        x = self.relu(self.bn1(self.conv1(images)))
        for stage in self.stages():
            x = stage(x)
        logits: Tensor = self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))
        return logits
