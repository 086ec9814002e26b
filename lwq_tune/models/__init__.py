"""Networks in float: our own, those of torchvision and of users; their layers, their units, and arithmetic on them.

Start at `spec.NetworkSpec`, which says which network, and `description.describe_network`, which says what it is
made of.

- cifar_resnet: The CIFAR residual network in float (He et al. 2016, section 4.2; Ikram et al. 2025, Table 2).
- description: What is known of a network before it is trained. Torch only where it is needed.
- image_format: What a network must know of the images of a data set. No torch.
- inference_costs: What a configuration costs at inference: arithmetic on layers. No torch.
- inspection: Runs a network once without values, to find what its layers read, write and multiply.
- layer_shapes: Layers of the CIFAR residual networks, by arithmetic. No torch.
- module_tree: Finds the layers of a built network, and the blocks and stages that hold them.
- network: The layers of a network and the units that get bits. No torch.
- sources: Builds networks: our own, those of torchvision, those of a user's factory.
- spec: Which network: what settings say of it, before anything is built. No torch.
- tracing: The forward pass of a network as a graph.
- units: Groups the layers of a network into units, each of which gets one bit-width. No torch.
"""
