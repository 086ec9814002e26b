"""One trial, without Ray: data, network, epochs, checkpoints.

Start at `trial.Trial`.

- checkpoint: Checkpoints that a crash cannot damage.
- engine: How a training step is executed: eagerly or compiled, in float32 or under bfloat16 autocast.
- epoch_row: The row that a trial yields per epoch: plain values, named and typed as in the results tables.
- lr_curve: Learning-rate curves.
- memory: Memory of the training process: its peak, and how the C library reuses it.
- model: Builds the network of a trial and its optimizer, and loads the weights of another trial.
- passes: One pass over the data: training, or evaluation.
- run_checkpoints: The checkpoints of a run: in its folder, or in its storage. No Ray, no torch.
- sgd: Stochastic gradient descent with momentum, without the compiler that `torch.optim.SGD` brings into a process.
- trial: Trains one `TrialConfig` once, with one row per epoch. No Ray.
- trial_data: The images of one trial on its device: training, validation and test part.
"""
