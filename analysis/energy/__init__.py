"""Energy over a network's life: training as recorded, inference as modelled, never added.

Start at `ledgers.ledger_frame`.

- inference_model: Modelled energy of one inference.
- ledgers: Two ledgers side by side, never added.
"""
