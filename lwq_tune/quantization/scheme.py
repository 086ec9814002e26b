"""Which quantizer is used where: one scheme for a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor, nn

from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS
from lwq_tune.quantization.quantizers.base import Quantizer
from lwq_tune.quantization.quantizers.dorefa import DoReFaActQuantizer, DoReFaWeightQuantizer
from lwq_tune.quantization.quantizers.lsq import LSQQuantizer
from lwq_tune.quantization.quantizers.minmax import MinMaxActQuantizer, MinMaxWeightQuantizer
from lwq_tune.quantization.quantizers.pact import PACTQuantizer

# By the name that a trial gives; LSQ's take more settings.
WEIGHTS: dict[str, Callable[..., Quantizer]] = {
    "pact": DoReFaWeightQuantizer,
    "dorefa": DoReFaWeightQuantizer,
    "minmax": MinMaxWeightQuantizer,
}
ACTIVATIONS: dict[str, Callable[..., Quantizer]] = {
    "pact": PACTQuantizer,
    "dorefa": DoReFaActQuantizer,
}


@dataclass(frozen=True)
class Scheme:
    """How weights and activations are quantized.

    Attributes:
        quantizer: ``lsq``, ``pact`` (weights by DoReFa-Net), ``dorefa`` or ``minmax``.
        per_channel: Whether each output channel of a weight has a scale of its own.
        first_last_bit_width: Bits of the stem's weights and of the classifier's weights and input, 32 or 8. The
            images that enter the stem are 8-bit already.
        least_squares: Whether LSQ's steps start at least squared error instead of at the paper's.
    """

    quantizer: str = "lsq"
    per_channel: bool = False
    first_last_bit_width: int = FULL_PRECISION_BITS
    least_squares: bool = False

    def weight_quantizer(self, bit_width: int, weight: Tensor) -> nn.Module:
        """Return the quantizer of a weight, its range set, or the identity at 32 bits."""
        if bit_width == FULL_PRECISION_BITS:
            return nn.Identity()
        if self.quantizer == "lsq":
            n_channels = weight.shape[0] if self.per_channel else None
            quantizer: Quantizer = LSQQuantizer(
                bit_width,
                signed=True,
                n_channels=n_channels,
                n_dims=weight.dim(),
                least_squares=self.least_squares,
            )
        else:
            quantizer = WEIGHTS[self.quantizer](bit_width, per_channel=self.per_channel)
        quantizer.initialize(weight)
        return quantizer

    def act_quantizer(self, bit_width: int, *, finds_sign: bool = False) -> nn.Module:
        """Return a quantizer of activations, or the identity at 32 bits.

        Args:
            bit_width: Bits.
            finds_sign: Whether they may be negative, which calibration finds; min-max always does.
        """
        if bit_width == FULL_PRECISION_BITS:
            return nn.Identity()
        if self.quantizer == "minmax":
            return MinMaxActQuantizer(bit_width)
        if self.quantizer == "lsq":
            return LSQQuantizer(bit_width, signed=False, least_squares=self.least_squares, finds_sign=finds_sign)
        return ACTIVATIONS[self.quantizer](bit_width, finds_sign=finds_sign)

    def for_first_and_last(self) -> Self:
        """Return the scheme of stem and classifier.

        DoReFa's weights forget their scale, which no batch norm restores behind the classifier, and its
        activations end at 1; so `dorefa` and `pact` take min-max there.
        """
        return replace(self, quantizer="minmax") if self.quantizer in ("dorefa", "pact") else self
