"""The running totals of a host, interval by interval.

Start at `host_ledger.HostLedger`.

- host_ledger: The ledger of a host.
- interval_log: The log of a run on one host: one JSON object per line, intervals and events. Plain Python.
- run_ledger: The ledger of one run on one host.
- sampler: Reads meter, processes, memory and GPUs of a host together, and makes an interval of two such readings.
- totals: What each account of the ledger has been charged with, and the names of accounts in the log.
"""
