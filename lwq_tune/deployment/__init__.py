"""What was trained, as files that a runtime executes, and what they cost there: measured, one network at a time.

Start at `export.export_trial` for a file, at `session.deploy_run` for measurements.

- archive: The network as a NumPy archive (``.npz``) that is enough to run it.
- equality: Whether a deployed network is the trained one.
- export: `export_trial`: the network of a finished trial as a file, checked.
- forward_steps: The forward pass of a network as a list of plain steps, traced from the code that runs it.
- measurement: Warm-up and measuring window of one compiled network.
- network: A trained network as plain values.
- onnx_graph: The network as an ONNX model that a runtime executes with integers.
- preparation: A process that exports networks and writes the test images they are measured on.
- reference: The forward pass in torch, step by step.
- processes: Calls a function in a process of its own, and says how that ended.
- records: Rows of ``inference.parquet`` and the log that they are written from.
- runtimes/: what executes the files.
- selection: Which networks of a run are measured.
- session: `deploy_run`: exports, measures and records the networks of a run.
- step_kinds: Which steps a layer, a function or a method of tensors is.
- trained: The networks of finished trials, from the checkpoints of a run folder.
- worker: A process that loads and measures one network.
"""
