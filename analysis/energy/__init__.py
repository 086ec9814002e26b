"""Energy over a network's life: training as recorded, inference as modelled, never added.

Start at `ledgers.ledger_frame`.

- findings: What the two ledgers say, as values.
- hardware/: Published costs of hardware by weight and activation bits.
- inference_axis: Modelled energy as the cost of a front.
- inference_model: Modelled energy and time of one inference.
- ledgers: Two ledgers side by side, never added.
- sentences: The findings as sentences.
- sources: Where energies come from, and what may be called measured.
"""
