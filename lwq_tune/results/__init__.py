"""The run folder: the contract between `lwq_tune` and `analysis`, and the only writer of it.

Start at `schema`, which says what each column means, and `recorder.RunRecorder`.

- asked: The trials of a run as they were asked for.
- energy_tables: The energy logs of a run.
- manifest: The manifest of a run.
- recorded_dataset: Whether the data set of a run is taken now as it was when the run began.
- recorder: Records a run as it happens.
- reuse: Trials of another run that trials of this one start from.
- rows: Rows of the tables, made from configurations and records. Pure functions.
- run_lock: One process at a time works on a run folder.
- schema: Every column of the results tables, declared once: type, unit and meaning.
- store: The run folder on disk.
- trial_sums: What the epochs of one trial add up to, kept instead of its rows once it has ended.
- storage/: Copies of a run in an object store or a shared folder.
"""
