"""A sweep: from a search space to a finished run, on Ray Tune.

Start at `session.run_sweep`, then `runner.run_trials`.

- confirmation: Confirmation runs: one trial at a time, in random order within blocks, after an idle baseline and a
  warm-up.
- edited_space: A run whose search space was edited later: refused with the difference shown, or extended.
- plan: What one session of a sweep does, and the configurations of its trials. No Ray.
- progress: The display during a sweep.
- resume: Trains the unfinished trials of a run folder: `resume_sweep`.
- runner: Runs the trials of a sweep on Ray Tune.
- session: A sweep from a search space to a finished run.
- cluster/: The Ray that a sweep runs on, and its hosts: a Ray of its own, or a cluster that it joins.
- ledger_sync/: Copies the energy logs of hosts that share no folder with the run into the run folder, through Ray.
- search/: Which trial is trained next: from a list, or as a search proposes during the sweep.
- space/: A YAML file to trials: read strictly, checked as a whole, expanded. No torch, no Ray.
- stopping/: Rules that end a trial, or the sweep, early. A new rule is a file here and a line in `rules`.
- tune/: All code that uses Ray Tune.
- worker/: Time limit, log and checkpoints of a trial in its process.
"""
