"""Small quantized networks in evaluation, with values that an export could get wrong."""

from __future__ import annotations

import torch
from torch import nn

from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.batches import Normalizer
from lwq_tune.models.cifar_resnet import CifarResNet
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.quantization.calibrate import calibrate
from lwq_tune.quantization.quantizers.lsq import LSQQuantizer
from lwq_tune.quantization.quantizers.minmax import MinMaxActQuantizer
from lwq_tune.quantization.quantizers.pact import PACTQuantizer
from lwq_tune.training.model import build_model

PIXELS = torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(7), dtype=torch.uint8)
PIXELS[1] //= 4
MEAN, STD = torch.tensor([0.5, 0.45, 0.4]), torch.tensor([0.29, 0.28, 0.3])
IMAGES = Normalizer(MEAN, STD, torch.device("cpu"))(PIXELS)
DATA = {"mean": MEAN.tolist(), "std": STD.tolist()}
FINER = {"weight_scales": "per_channel", "first_last_bit_width": 8}


def small_network(config: TrialConfig) -> CifarResNet:
    """Return a network in evaluation with statistics of batch norm, ranges and signs that an export could get wrong."""
    torch.manual_seed(config.seed)
    initial = CifarResNet(config.blocks, config.width, 10).state_dict()
    model = build_model(config, ImageFormat(), initial)
    calibrate(model, [IMAGES], batch_statistics=True)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = 0.7
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(0.2, 0.3)
        model.train()(IMAGES)
        for module in model.modules():
            if isinstance(module, LSQQuantizer):
                module.scale.neg_()
            elif isinstance(module, PACTQuantizer):
                module.alpha.neg_()
            elif isinstance(module, MinMaxActQuantizer):
                module.smallest.sub_(0.3)
    return model.eval()


def varied_images(n_images: int = 64) -> torch.Tensor:
    """Return normalised images that differ in brightness, contrast and texture."""
    generator = torch.Generator().manual_seed(1)
    texture = nn.functional.avg_pool2d(torch.rand(n_images, 3, 32, 32, generator=generator), 5, 1, 2)
    brightness = torch.randn(n_images, 3, 1, 1, generator=generator)
    return (texture - texture.mean((2, 3), keepdim=True)) * 6 + brightness
