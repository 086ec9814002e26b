"""What runs beside a trial in its process.

Start at `time_limit`.

- checkpoints: Where the checkpoints of a run lie: in its folder, or in its storage. No Ray, no torch.
- time_limit: A limit on the time that a piece of work may take: past it, the process is killed. No Ray.
- trial_log: A log file for each trial, `RUN_DIR/logs/TRIAL_KEY.log`, written by the process that trains it.
"""
