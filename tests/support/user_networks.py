"""Small networks of many forms, as users would write them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CODE = '''"""A network of a user."""

import torch
from torch import nn
from torch.nn import functional


class Net(nn.Module):
    def __init__(self, num_classes, width):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1)
        self.depthwise = nn.Conv2d(width, width, 3, stride=2, padding=1, groups=width)
        self.pointwise = nn.Conv2d(width, 2 * width, 1)
        self.bn = nn.BatchNorm2d(2 * width)
        self.fc = nn.Linear(2 * width, num_classes)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.silu(self.bn(self.pointwise(self.depthwise(x))))
        return self.fc(functional.dropout(x.mean((2, 3)), 0.1, self.training))


def build(num_classes, width=4):
    return Net(num_classes, width)
'''


class Branches(nn.Module):
    """Two convolutions of one tensor, a concatenation, a sum, a gate, a layer used twice; values of both signs."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.left = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.right = nn.Conv2d(8, 8, 1, dilation=1)
        self.norm = nn.BatchNorm2d(16)
        self.twice = nn.Conv2d(16, 16, 3, padding=1, groups=4)
        self.gate = nn.Conv2d(16, 16, 1)
        self.head = nn.Linear(16, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        x = functional.hardswish(self.stem(images))
        x = self.norm(torch.cat([self.left(x), self.right(x)], 1))
        x = self.twice(functional.relu(self.twice(functional.relu(x)) + x))
        x = x * torch.sigmoid(self.gate(functional.adaptive_avg_pool2d(x, 1)))
        logits: Tensor = self.head(torch.flatten(functional.adaptive_avg_pool2d(functional.max_pool2d(x, 2), 1), 1))
        return logits


class TakesAnotherWay(nn.Module):
    """A network whose way depends on its values: it cannot be traced."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.first, self.inner = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.last = nn.Linear(4, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        x = self.first(images)
        x = self.inner(x) if x.sum() > 0 else self.inner(-x)
        logits: Tensor = self.last(x.mean((2, 3)))
        return logits


def branches(num_classes: int) -> nn.Module:
    """Return a network with branches."""
    return Branches(num_classes)


def takes_another_way(num_classes: int) -> nn.Module:
    """Return a network that cannot be traced."""
    return TakesAnotherWay(num_classes)
