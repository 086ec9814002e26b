"""Networks, and arithmetic on their layers.

Start at `cifar_resnet.CifarResNet`.

- cifar_resnet: The CIFAR residual network in float (He et al. 2016, section 4.2; Ikram et al. 2025, Table 2).
- inference_costs: What a configuration costs at inference: arithmetic on layer shapes. No torch.
- layer_shapes: Layer shapes of the CIFAR residual networks.
"""
