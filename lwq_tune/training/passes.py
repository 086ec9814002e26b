"""One pass over the data: training, or evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lwq_tune.data.batches import Normalizer
from lwq_tune.data.images import ImageSet
from lwq_tune.training.engine import Engine, loss_and_correct
from lwq_tune.training.sgd import SGD

# On a CPU larger batches are no faster and take memory that training has not: with 500 images a CIFAR-10 trial peaked
# at 1.6 GiB, with 128 at 1.35 (2 cores of an AMD EPYC VM, torch 2.15, float32, batch 128).
EVALUATION_BATCH = {"cpu": 128, "cuda": 1000}
_MIN_EVALUATION_BATCH = 16  # with less, a step on a batch of any use takes more memory than the evaluation
_PIXELS_OF_CIFAR = 32 * 32


def evaluation_batch(device: torch.device, images: Tensor) -> int:
    """Return how many images are evaluated at a time: fewer of more pixels than CIFAR's, which take more memory.

    Args:
        device: Where they are evaluated.
        images: Some of them, shape (n, c, h, w).

    >>> [evaluation_batch(torch.device("cpu"), torch.empty(1, 3, size, size)) for size in (28, 32, 64, 224)]
    [128, 128, 32, 16]
    """
    n_pixels = images.shape[2] * images.shape[3]
    n_as_cifar = EVALUATION_BATCH[device.type] * _PIXELS_OF_CIFAR // max(n_pixels, _PIXELS_OF_CIFAR)
    return max(_MIN_EVALUATION_BATCH, n_as_cifar)


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

    def add(self, loss: Tensor, n_correct: Tensor, n_images: int) -> None:
        self._sums += torch.stack([loss.detach().double() * n_images, n_correct.double()])
        self._n_images += n_images

    def result(self, n_unknown: int = 0) -> PassResult:
        """Return the means, of the accuracy over ``n_unknown`` images more, which are wrong."""
        loss, n_correct = self._sums.tolist()
        n_all = self._n_images + n_unknown
        return PassResult(loss / self._n_images, n_correct / n_all, n_all)


def train_pass(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    normalize: Normalizer,
    optimizer: SGD,
    lr_of_step: Callable[[int], float],
    engine: Engine,
    device: torch.device,
) -> PassResult:
    """Train on every batch once.

    Args:
        model: In place.
        batches: Pairs of images (n, c, h, w) uint8 and labels (n,), on ``device``.
        normalize: Makes floats of the images.
        optimizer: Its learning rate is set before each step.
        lr_of_step: Learning rate of a 0-based step of this pass.
        engine: Executes the forward pass.
        device: Where the model is.
    """
    model.train()
    sums = _Sums(device)
    for step, (images, labels) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = lr_of_step(step)
        optimizer.zero_grad()
        loss, n_correct = engine.step(model, normalize(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        sums.add(loss, n_correct, len(labels))
    return sums.result()


@torch.inference_mode()
def evaluate(
    model: nn.Module, data: ImageSet, normalize: Normalizer, engine: Engine, device: torch.device
) -> PassResult:
    """Return loss and accuracy on ``data`` with running batch-norm statistics, not compiled.

    A compiler takes longer for this pass than all evaluations of a trial save by it. Images whose class the network
    does not know count as wrong; they have no cross-entropy, so the loss is of the others.
    """
    model.eval()
    sums = _Sums(device)
    data, n_unknown = data.known()
    for images, labels in data.batches(evaluation_batch(device, data.images)):
        with engine.autocast():
            loss, n_correct = loss_and_correct(model, normalize(images), labels)
        sums.add(loss, n_correct, len(labels))
    return sums.result(n_unknown)
