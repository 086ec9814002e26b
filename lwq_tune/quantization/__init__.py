"""Quantized training: schedules of bit-widths, and networks that compute with them.

Start at `prepare.prepare_qat` for our own networks by stage, and at `prepare_graph.prepare_network` for any other.

- calibrate: Calibration: let every quantizer set its range from real images before the network trains or is
  evaluated.
- fake_quantize: Fake quantization of a tensor, with the gradients that the papers define.
- graph_flow: Which unit each tensor of a traced network belongs to, and which tensors have to be on a grid.
- layers: Layers whose weights and inputs are quantized while they train.
- packing: Integers of few bits, packed without gaps: what a quantized weight takes on disk.
- prepare: Turn a float network into one that trains with a schedule (Ikram et al. 2025, Algorithm 1).
- prepare_graph: Turn any float network into one that trains with a schedule: quantizers on the tensors of its graph.
- schedule_set: Sets of schedules that may be too many to list: counted, drawn from, walked step by step. No torch.
- schedules: Schedules: which unit of the network gets how many bits. No torch.
- scheme: Which quantizer is used where: one scheme for a network.
- quantizers/: The quantizers, a file for each method; `lwq_tune.quantization.scheme` says which is used where.
"""
