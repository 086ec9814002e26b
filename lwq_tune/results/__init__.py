"""The run folder: the contract between `lwq_tune` and `analysis`, and the only writer of it.

Start at `schema`, which says what each column means, and `recorder.RunRecorder`.

- earlier_runs: The trials of a run, as the manifest and the search ask for them.
- energy_tables: The energy logs of a run.
- manifest: The manifest of a run.
- recorded_dataset: Checks that the data set of a run is read as it was when the run began.
- recorder: Writes the log and the tables of a run.
- reuse: Trials of another run that trials of this one start from.
- trial_rows: Rows of the tables, made from configurations and records. Pure functions.
- run_lock: A lock on a run folder: one process at a time writes it.
- schema: Every column of the results tables, declared once: type, unit and meaning.
- run_folder: The run folder on disk.
- trial_sums: Sums over the epochs of one trial, kept instead of its rows after it has ended.
- storage/: Copies of a run in an object store or a shared folder.
"""
