"""Copies of a run in an object store or a shared folder.

Start at `storage.Storage`.

- address: Addresses of storages.
- file_systems: pyarrow's file systems: opened without needless requests, and their errors as one sentence.
- mirror: The copy of a run folder in a storage, kept up to date during the run.
- run_copy: ``--storage``: checks the storage before a sweep starts, and copies the run into it during the sweep.
- storage: A folder on a file system of pyarrow: local, shared by nodes, or in an object store.
- stored_runs: Reads checkpoints of a run, or a whole run folder, from a storage.
- timeouts: Time limits on calls: clients of some stores wait for ever if a server never answers.
"""
