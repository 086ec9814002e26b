"""Which trial is trained next: from a list, or as a search proposes during the sweep.

Start at `trial_queue`.

- proposer: Which schedule a search trains next.
- trial_queue: Decides which trial starts next.
"""
