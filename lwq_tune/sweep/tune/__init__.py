"""All that knows Ray Tune.

Start at `tuner.run_tune`.

- job: What a process of a trial is told, `TrialJob`; jobs for a Tuner of your own.
- logging_callback: Hands the epochs of each trial to one kind of logger, in a thread of its own.
- patches: All that is changed in Ray: private names that are replaced, and what Tune keeps of trials that is dropped.
- recording: From Ray Tune's events to our records: the only writer of a run's rows.
- searcher: Hands a queue of trials to Ray Tune.
- stall_detection: Ends trials that nothing is heard of.
- trainable: Ray Tune's view of a trial: setup, one epoch per step, checkpoints, and reuse of the process.
- tuner: Runs Ray Tune once over a queue of trials.
"""
