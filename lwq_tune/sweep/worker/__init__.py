"""Time limit, log and checkpoints of a trial in its process.

Start at `time_limit`.

- checkpoints: The checkpoints of a run: in its folder, or in its storage. No Ray, no torch.
- time_limit: Kills this process if a block of code takes longer than a limit. No Ray.
- trial_log: A log file for each trial, `RUN_DIR/logs/TRIAL_KEY.log`, written by the process that trains it.
"""
