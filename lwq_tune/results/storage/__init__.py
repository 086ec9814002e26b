"""Copies of a run in an object store or a shared folder.

Start at `storage.Storage`.

- address: Addresses of storages.
- azure: Azure's blob storage as pyarrow takes it.
- file_systems: pyarrow's file systems: opened without needless requests, and their errors in one sentence.
- mirror: The copy of a run folder in a storage, kept up to date while the run goes on.
- run_copy: ``--storage``: checked before a sweep starts, and kept up to date while it runs.
- storage: A folder that pyarrow's file systems reach: local, shared by nodes, or in an object store.
- stored_runs: What is read back from a storage: checkpoints of a run, or a whole run folder.
- timeouts: Calls that end: clients of some stores wait for ever where a server takes a connection and never answers.
"""
