"""A sweep: from a search space to a finished run, on Ray Tune.

Start at `session.run_sweep`, then `runner.run_trials`.

- confirmation: Confirmation runs: one trial at a time, in random order within blocks, after an idle baseline and a
  warm-up.
- dashboard: Ray's dashboard and Prometheus metrics during a sweep, if the user asks for them; on loopback only.
- edited_space: A run whose search space was edited later: refused with the difference shown, or extended.
- plan: What one session of a sweep does, and the configurations of its trials. No Ray.
- progress: The display during a sweep.
- resume: Trains the unfinished trials of a run folder: `resume_sweep`.
- runner: Runs the trials of a sweep on Ray Tune.
- session: A sweep from a search space to a finished run.
- slots: How many trials run at a time on the hosts of a sweep, and what each gets of them. No Ray.
- cluster/: The Ray that a sweep runs on, and its hosts: a Ray of its own, or a cluster that it joins.
- ledger_sync/: Keeps the run open in the ledgers of all hosts, and copies their logs into the run folder.
- loggers/: TensorBoard, MLflow and Weights & Biases in addition to our own tables. No Ray.
- search/: Which trial is trained next: from a list, or as a search proposes during the sweep.
- space/: A YAML file to trials: read strictly, checked as a whole, expanded. No torch, no Ray.
- stopping/: Rules that end a trial, or the sweep, early. A new rule is a file here and a line in `rules`.
- tune/: All code that uses Ray Tune.
- worker/: Time limit, log and checkpoints of a trial in its process.
"""
