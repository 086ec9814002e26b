"""Which schedules are trained: a list, or what a search proposes while the sweep runs.

Start at `trial_queue`.

- proposer: Which schedule a search trains next.
- trial_queue: Decides which trial starts next.
"""
