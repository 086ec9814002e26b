"""Energy per trial that adds up to what the host used: sensors, attribution, ledger, service, trial meter.

Start at `meter`, the protocol that training sees.

- meter: What an energy meter is.
- trial_meter: The energy meter of a trial: windows over what the host's ledger has charged it with.
- attribution/: Which account used what: pure arithmetic on readings, no clocks and no files.
- ledger/: The running totals of a host, interval by interval.
- sensors/: Readings of hardware and kernel: energy, GPUs, processes.
- service/: One process per host measures for all sweeps on it: both sides of its socket.
"""
