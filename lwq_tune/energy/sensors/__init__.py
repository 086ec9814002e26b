"""What hardware and kernel say about energy and about who computes.

Start at `host_meter`.

- codecarbon: CodeCarbon as the meter of a whole host; the only file that imports it.
- host_meter: What a ledger asks of the meter of a whole host. Plain Python.
- nvml: What the NVIDIA GPUs of a host have used and who computes on them, read from NVML itself.
- processes: What the processes of a host did, read from ``/proc`` (Linux).
- sources: What CodeCarbon's figures are, measured or estimated, and what can be told of the hardware.
- visible_gpus: Which GPU a trial computes on, in the numbering of the energy meter.
"""
