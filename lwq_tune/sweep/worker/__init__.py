"""Time limit and log of a trial in its process.

Start at `time_limit`.

- time_limit: Kills this process if a block of code takes longer than a limit. No Ray.
- trial_log: A log file for each trial, `RUN_DIR/logs/TRIAL_KEY.log`, written by the process that trains it.
"""
