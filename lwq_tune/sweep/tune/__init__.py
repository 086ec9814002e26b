"""All that knows Ray Tune.

Start at `tuner.run_tune`.

- logger_adapter: What a logger of Ray's sees of a sweep: flat rows of trials that are named by their keys.
- loggers: TensorBoard, MLflow and Weights & Biases beside our own tables, each through Ray's callback for it.
- patches: What Tune keeps of trials that are over, and nobody reads again.
- recording: From Ray Tune's events to our records: the only writer of a run's rows.
- searcher: Ray Tune's view of a supply of trials.
- stall_detection: Ends trials that nothing is heard of.
- trainable: Ray Tune's view of a trial: setup, one epoch per step, checkpoints, and reuse of the process.
- tuner: One run of Ray Tune over a supply of trials.
"""
