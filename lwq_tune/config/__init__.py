"""What is asked for, as frozen values that are checked when they are built. No torch, no Ray.

Start at `trial.TrialConfig`, the science of a trial, and `sweep.SweepConfig`, the machine.

- carbon_budget: Carbon budgets: how much a sweep may emit or use.
- sweep: `SweepConfig`, the machine side of a sweep, which is never hashed.
- trial: `TrialConfig`, the science of a trial, which is hashed.
"""
