"""TensorBoard, MLflow and Weights & Biases in addition to our own tables. No Ray.

Start at `choice.make_loggers`. A new logger is a file here with the three methods of `trial_logger.TrialLogger`, and a
line in `choice`.

- choice: Which loggers a sweep has, whether their packages are there, and how they are made.
- mlflow: A trial as a run of MLflow.
- tensorboard: The event file of a trial.
- trial_logger: The protocol of a logger, and what loggers are told of a trial.
- wandb: A trial as a run of Weights & Biases.
"""
