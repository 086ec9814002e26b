"""One pass over the data: training, or evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lwq_tune.data.batches import Normalizer
from lwq_tune.data.images import ImageSet

EVALUATION_BATCH = 500


@dataclass(frozen=True)
class PassResult:
    """Mean loss and accuracy (fraction) over the images of a pass."""

    loss: float
    accuracy: float
    n_images: int


class _Sums:
    """Sums kept on the device; one transfer at the end of a pass instead of one per step."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(2, dtype=torch.float64, device=device)
        self._n_images = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        n_correct = (logits.argmax(dim=1) == labels).sum()
        self._sums += torch.stack([loss.detach().double() * len(labels), n_correct.double()])
        self._n_images += len(labels)

    def result(self) -> PassResult:
        loss, n_correct = (self._sums / self._n_images).tolist()
        return PassResult(loss, n_correct, self._n_images)


def train_pass(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    normalize: Normalizer,
    optimizer: torch.optim.Optimizer,
    lr_of_step: Callable[[int], float],
    device: torch.device,
) -> PassResult:
    """Train on every batch once.

    Args:
        model: In place.
        batches: Pairs of images (n, 3, 32, 32) uint8 and labels (n,), on ``device``.
        normalize: Makes floats of the images.
        optimizer: Its learning rate is set before each step.
        lr_of_step: Learning rate of a 0-based step of this pass.
        device: Where the model is.
    """
    model.train()
    sums = _Sums(device)
    for step, (images, labels) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = lr_of_step(step)
        logits = model(normalize(images))
        loss = nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        sums.add(loss, logits, labels)
    return sums.result()


@torch.inference_mode()
def evaluate(model: nn.Module, data: ImageSet, normalize: Normalizer, device: torch.device) -> PassResult:
    """Return loss and accuracy on ``data`` with running batch-norm statistics."""
    model.eval()
    sums = _Sums(device)
    for start in range(0, len(data), EVALUATION_BATCH):
        labels = data.labels[start : start + EVALUATION_BATCH]
        logits = model(normalize(data.images[start : start + EVALUATION_BATCH]))
        sums.add(nn.functional.cross_entropy(logits, labels), logits, labels)
    return sums.result()
