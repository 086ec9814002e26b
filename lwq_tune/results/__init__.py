"""The run folder: the contract between `lwq_tune` and `analysis`, and the only writer of it.

Start at `schema`, which says what each column means, and `recorder.RunRecorder`.

- earlier_runs: What a run holds for a later session or run: the trials that were asked for, and which of them are done.
- energy_tables: The energy logs of a run.
- manifest: The manifest of a run.
- networks: The networks of a run: their layers as a table, and a copy of the code of a user's own.
- recorded_dataset: Checks that the data set of a run is read as it was when the run began.
- recorder: Writes the log and the tables of a run.
- row_log: The append-only log of a run, the source of truth: one JSON object per line.
- run_folder: The folder of a run: what is where in it, and the lock by which one process at a time writes it.
- schema: Every column of the results tables, declared once: type, unit and meaning.
- tables: The files of a run that are derived from its log, each written whole or not at all.
- trial_rows: The rows of the table of trials, made from configurations and records. Pure functions.
- storage/: Copies of a run in an object store or a shared folder.
"""
