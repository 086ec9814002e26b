"""One trial, without Ray: data, network, epochs, checkpoint, export.

Start at `trial.Trial`.

- checkpoint: Checkpoints that a crash cannot damage.
- engine: How a training step is executed: eagerly or compiled, in float32 or under bfloat16 autocast.
- epoch_row: The row that a trial yields per epoch: plain values, named and typed as in the results tables.
- export: A trained network as one file that is enough to run it.
- forward_steps: The forward pass of a network as a list of plain steps, traced from the code that runs it, so that
  both agree.
- lr_curve: Learning-rate curves.
- memory: Memory of the training process: its peak, and how the C library reuses it.
- model: Builds the network of a trial and its optimizer, and loads the weights of another trial.
- passes: One pass over the data: training, or evaluation.
- sgd: Stochastic gradient descent with momentum, without the compiler that `torch.optim.SGD` brings into a process.
- trial: Trains one `TrialConfig` once, with one row per epoch. No Ray.
- trial_data: The images of one trial on its device: training, validation and test part.
"""
