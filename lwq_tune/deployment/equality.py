"""Whether a deployed network is the trained one.

Logits cannot be equal bit by bit: rounding moves values over the middle between two levels, and torch in float32
differs from torch in float64 about as much as a runtime does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from lwq_tune.deployment.network import Network
from lwq_tune.deployment.onnx_graph import to_onnx
from lwq_tune.deployment.reference import batch_size_for, logits_of, run_steps
from lwq_tune.deployment.runtimes.base import Runtime

MIN_SAME_CLASS, MAX_MEDIAN, ROW_TOLERANCE, MAX_ROW_GAP = 0.999, 1e-4, 1e-4, 0.05
LEAST_SAME_CLASS = 0.95  # whatever float64 does: a network whose classes float arithmetic decides is none to deploy
_TIMES_FLOAT64 = 2  # a runtime rounds as float32 does; float64 does not, so that it differs from float32 alone
# A step departs where more of its values than this differ by more than this share of its largest value.
_DEPARTED_SHARE, _DEPARTED_BY = 0.05, 1e-3
_N_TRACED = 8
_COMPARED = ("quantize", "conv", "batch_norm", "linear")


@dataclass(frozen=True)
class Agreement:
    """How a deployed network agrees with its simulation in torch, float32, and how the same network in float64 does.

    Attributes:
        n_images: Images compared.
        same_class: Share of images whose class is the same.
        median_difference: Median of the absolute differences of logits.
        same_rows: Share of images whose logits all differ by less than 1e-4.
        same_class_float64: The first share between the simulation and the same network in float64.
        median_difference_float64: That median, likewise.
        same_rows_float64: The second share, likewise.
    """

    n_images: int
    same_class: float
    median_difference: float
    same_rows: float
    same_class_float64: float
    median_difference_float64: float
    same_rows_float64: float

    def faults(self) -> list[str]:
        """Return the rules that it breaks, each with its figure.

        What float64 changes as well is no fault: in a wide network of 8 bits, each image has values that rounding of
        floats moves to another level.
        """
        found = []
        n_other, n_float64 = (
            round((1 - share) * self.n_images) for share in (self.same_class, self.same_class_float64)
        )
        n_allowed = max(1, round((1 - MIN_SAME_CLASS) * self.n_images))  # of a few images, one may hit a tie
        n_at_most = max(n_allowed, round((1 - LEAST_SAME_CLASS) * self.n_images))
        if n_other > min(n_allowed + _TIMES_FLOAT64 * n_float64, n_at_most):
            found.append(
                f"the class must be the same on at least {MIN_SAME_CLASS:.1%} of the images, or on all but one, it is "
                f"on {self.same_class:.2%} of {self.n_images}{self._with_float64(f'{self.same_class_float64:.2%}')}"
            )
        if not self.median_difference < max(MAX_MEDIAN, _TIMES_FLOAT64 * self.median_difference_float64):
            found.append(
                f"the median difference of logits must be below {MAX_MEDIAN:g}, it is {self.median_difference:.2g}"
                f"{self._with_float64(f'{self.median_difference_float64:.2g}')}"
            )
        if self.same_rows < self.same_rows_float64 - MAX_ROW_GAP:
            found.append(
                f"images with equal logits must be as many as with float64, {self.same_rows_float64:.1%}, "
                f"they are {self.same_rows:.1%}"
            )
        return found

    def _with_float64(self, figure: str) -> str:
        """Return how float64 does where it breaks a rule itself, so that the rule is no more than a factor on it."""
        breaks = self.same_class_float64 < 1 or self.median_difference_float64 >= MAX_MEDIAN / _TIMES_FLOAT64
        return f" (with float64 {figure})" if breaks else ""


def compare_logits(deployed: np.ndarray, simulated: np.ndarray, in_float64: np.ndarray) -> Agreement:
    """Return how logits agree, all of shape (n, classes).

    >>> compare_logits(np.eye(2), np.eye(2), np.eye(2)).faults()
    []
    """
    return Agreement(len(deployed), *_figures(deployed, simulated), *_figures(in_float64, simulated))


def _figures(logits: np.ndarray, simulated: np.ndarray) -> tuple[float, float, float]:
    """Return the share of same classes, the median difference and the share of same rows."""
    differences = np.abs(logits - simulated)
    same_class = float(np.mean(logits.argmax(1) == simulated.argmax(1)))
    return same_class, float(np.median(differences)), _same_rows(differences)


def _same_rows(differences: np.ndarray) -> float:
    return float(np.mean(differences.max(1) < ROW_TOLERANCE))


@torch.no_grad()
def simulated_logits(model: nn.Module, images: Tensor) -> np.ndarray:
    """Return the logits of the network as it was trained, in torch float32."""
    return torch.cat([model(part) for part in torch.split(images, batch_size_for(images))]).numpy()


def check_equality(
    model: nn.Module, network: Network, content: bytes, runtime: Runtime, images: Tensor, *, n_threads: int = 1
) -> Agreement:
    """Return how a file agrees with the network it was made from.

    Args:
        model: The trained network in evaluation.
        network: The same, described.
        content: The ONNX model.
        runtime: What runs the file.
        images: Normalised images, shape (n, c, h, w).
        n_threads: Threads of the runtime.
    """
    loaded = runtime.load(content, n_threads=n_threads)
    deployed = np.concatenate([loaded.run(part.numpy()) for part in torch.split(images, batch_size_for(images))])
    return compare_logits(deployed, simulated_logits(model, images), logits_of(network, images).numpy())


def first_departure(network: Network, runtime: Runtime, images: Tensor) -> str | None:
    """Return the name of the first layer or grid whose values in a runtime are not those of the network; None if none.

    The network is run again and again, up to one step more each time: as further outputs of the whole file, values
    inside can be wrong (OpenVINO 2026.4 moves scales of batch norm into the grid behind it).

    Args:
        network: The network.
        runtime: What runs its file.
        images: Normalised images; a few are enough.
    """
    images = images[:_N_TRACED]
    expected, in_float64 = run_steps(network, images, torch.float32), run_steps(network, images)
    for end, step in enumerate(network.steps, start=1):
        if step["op"] not in _COMPARED:
            continue
        part = to_onnx(replace(network, steps=network.steps[:end])).serialized()
        found = runtime.load(part, n_threads=1).run(images.numpy())
        values = expected[step["output"]].numpy()
        departed = _departed_share(found, values)
        if departed > _DEPARTED_SHARE + _TIMES_FLOAT64 * _departed_share(in_float64[step["output"]].numpy(), values):
            name: str = step.get("weight") or step.get("grid") or step["name"]
            return name.removesuffix(".weight")
    return None


def _departed_share(found: np.ndarray, expected: np.ndarray) -> float:
    largest = float(np.abs(expected).max()) or 1.0
    return float(np.mean(np.abs(found - expected) > _DEPARTED_BY * largest))
