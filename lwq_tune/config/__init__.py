"""The settings of trials and sweeps, as frozen values that are checked when they are built. No torch, no Ray.

Start at `trial.TrialConfig`, what a trial computes, and `sweep.SweepConfig`, where and how a sweep runs.

- carbon_budget: Carbon budgets: how much a sweep may emit or use.
- dataset: `DatasetSettings`: what is read of a data set; it becomes part of its address.
- deploy: `DeploySettings`: how deployed networks are measured; it does not enter a trial's key.
- network: What a trial says of its network: names of these settings, and mappings that are kept as JSON.
- settings: What is declared once of a setting, at its field: default, rule, meaning, unit, flag.
- sweep: `SweepConfig`: where and how a sweep runs; it does not enter a trial's key.
- trial: `TrialConfig`: what a trial computes; its hash is the trial's key.
"""
