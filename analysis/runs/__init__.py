"""Run folders as frames: what was recorded, checked, and summed over seeds.

Start at `load.load_runs`.

- comparability: Refuses fronts over energies and emissions that were found in different ways.
- configurations: From trials to configurations: replicates over seeds become a mean and a spread.
- earlier_networks: Networks of runs that earlier versions wrote.
- keys: The key of a configuration.
- load: Read run folders: Parquet tables in, pandas frames out.
- networks: Networks as their layers and units.
- seeds: What tables and figures share.
"""
