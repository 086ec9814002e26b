"""All that knows Ray Tune.

Start at `tuner.run_tune`.

- job: What a trial's process is told.
- logger_adapter: What a logger of Ray's sees of a sweep: flat rows of trials that are named by their keys.
- loggers: TensorBoard, MLflow and Weights & Biases in addition to our own tables, each through Ray's callback for it.
- patches: Drops what Tune keeps of trials that have ended and never reads again.
- recording: Records Ray Tune's events in the run folder: the only writer of a run's rows.
- searcher: Hands a queue of trials to Ray Tune as a searcher.
- stall_detection: Ends trials that report nothing.
- trainable: Ray Tune's view of a trial: setup, one epoch per step, checkpoints, and reuse of the process.
- tuner: Runs Ray Tune once over a queue of trials.
"""
